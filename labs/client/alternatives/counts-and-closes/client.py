"""Client without half-close: it counts, and closes when there are as many answers as lines."""

import os
import re
import socket
import sys
import threading


class Client:
    def __init__(self, host, port):
        self.connection = socket.create_connection((host, int(port)))
        self.stream = self.connection.makefile("rb")
        self.owed = 0
        self.changed = threading.Condition()

    def confirm(self):
        hello = self.stream.readline()
        self.connection.sendall(b"CONFIRM %d\n" % number_in(hello))

    def receive(self):
        try:
            while answer := self.stream.readline():
                with self.changed:
                    os.write(1, answer) if len(answer) < 4096 else sys.stdout.buffer.write(answer)
                    sys.stdout.buffer.flush()
                    self.owed -= 1
                    self.changed.notify()
            fail("the server has closed")
        except OSError as error:
            fail(error)

    def run(self):
        self.confirm()
        threading.Thread(target=self.receive, daemon=True).start()
        for line in sys.stdin.buffer:
            with self.changed:
                self.owed += 1
            self.connection.sendall(line)
        with self.changed:
            self.changed.wait_for(lambda: self.owed == 0)
            os._exit(0)


failing = threading.Lock()


def fail(why):
    failing.acquire()  # for good: a second caller must not say it again
    os.write(2, f"client: {why}\n".encode())
    os._exit(1)


def number_in(hello):
    found = re.fullmatch(rb"HELLO (.* )?connection=([0-9]+)( .*)?\n", hello)
    if not found:
        raise ConnectionError(f"no HELLO: {hello!r}")
    return int(found[2])


if __name__ == "__main__":
    try:
        Client(*sys.argv[1:3]).run()
    except OSError as error:
        fail(error)
