"""Derives a class from Thread: one object is one connection and its thread."""

import os
import socket
import sys
from itertools import count
from threading import Thread

MAX_LINE = 65_536


class Connection(Thread):
    """A connection, which is a thread."""

    numbers = count(100)

    def __init__(self, accepted):
        super().__init__(daemon=True)
        self.socket, self.client = accepted
        self.number = next(self.numbers)
        self.buffer = bytearray(MAX_LINE)
        self.used = 0

    def run(self):
        try:
            self.greet()
            if self.is_confirmed():
                while (line := self.next_line()) is not None:
                    self.socket.sendall(line)
        except OSError:
            pass
        self.socket.close()

    def greet(self):
        self.say(
            f"HELLO server={self.name_of(self.socket.getsockname())} client={self.name_of(self.client)} "
            f"connection={self.number} worker={os.getpid()}/{self.native_id}"
        )

    def is_confirmed(self):
        line = self.next_line()
        expected = f"CONFIRM {self.number}"
        if line is None or line in (f"{expected}\n".encode(), f"{expected}\r\n".encode()):
            return line is not None
        self.say(f"ERROR confirmation expected: {expected}")
        return False

    def next_line(self):
        """Take the next line out of the buffer, with its LF. None at the end, or when it is too long."""
        searched = 0
        while (lf := self.buffer.find(b"\n", searched, self.used)) < 0:
            searched = self.used
            if self.used >= MAX_LINE:
                self.say(f"ERROR line longer than {MAX_LINE} bytes")
                return None
            with memoryview(self.buffer) as view:
                came = self.socket.recv_into(view[self.used :])
            if not came:
                return None
            self.used += came
        line = bytes(self.buffer[: lf + 1])
        self.buffer[: self.used - lf - 1] = self.buffer[lf + 1 : self.used]
        self.used -= lf + 1
        return line

    def say(self, text):
        self.socket.sendall(text.encode() + b"\n")

    @staticmethod
    def name_of(address):
        return "tcp://%s:%d" % address[:2]


if __name__ == "__main__":
    with socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=100) as listener:
        while True:
            Connection(listener.accept()).start()
