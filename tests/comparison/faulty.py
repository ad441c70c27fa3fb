"""Servers with one fault each, written as files, like submissions."""

BASE = """
import contextlib, os, socket, sys, threading

answers, kept = 0, []

def answer(line, number):
    return line

def greet(connection, number):
    connection.sendall(b"HELLO server=s client=c connection=%d worker=%d\\n" % (number, os.getpid()))

def read_confirmation(connection):
    while connection.recv(1) != b"\\n":  # and not a byte of what follows
        pass

def converse(connection, number):
    greet(connection, number)
    lines = connection.makefile("rb")
    if lines.readline() == b"CONFIRM %d\\n" % number:
        for line in lines:
            connection.sendall(answer(line, number))
    finish(connection)

def finish(connection):
    connection.shutdown(socket.SHUT_WR)

{fault}

listener = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=100)
number = 0
while True:
    connection, _ = listener.accept()
    number += 1
    threading.Thread(target=converse, args=(connection, number), daemon=True).start()
"""
FAULTS = {
    "none": "",
    "lies": """
def answer(line, number):
    global answers
    answers += 1
    return line if answers % 2 else line[::-1].strip() + b"\\n"
""",
    "crashes": """
def answer(line, number):
    global answers
    answers += 1
    if answers == 10:
        print("it hurts \\x1b[31m", flush=True)
        os._exit(3)
    return line
""",
    "dies": """
def converse(connection, number):
    print("the first is one too many", flush=True)
    os._exit(3)
""",
    "takes its time": """
def answer(line, number):
    threading.Event().wait(0.7)
    return line
""",
    "takes each piece for a line": """
def converse(connection, number):
    greet(connection, number)
    read_confirmation(connection)
    while piece := connection.recv(65536):
        connection.sendall(piece if piece.endswith(b"\\n") else piece + b"\\n")
""",
    "waits for whole lines": """
def converse(connection, number):
    greet(connection, number)
    read_confirmation(connection)
    while piece := connection.recv(65536):
        if piece.endswith(b"\\n"):
            connection.sendall(piece)
        else:
            threading.Event().wait()
""",
    "closes silent clients": """
silent, come = {}, set()

def answer(line, number):
    if number % 4 == 0 and number > 4:  # the one of four clients before, which then is certain to be noticed
        while number - 4 not in come:
            threading.Event().wait(0.001)
        with contextlib.suppress(OSError, KeyError):  # it may have left by itself
            silent[number - 4].shutdown(socket.SHUT_RDWR)
    return line

original = converse
def converse(connection, number):
    silent[number] = connection
    come.add(number)
    try:
        original(connection, number)
    finally:
        del silent[number]
""",
    "waits instead of computing": """
def answer(line, number):
    threading.Event().wait(int(line) / 1000)
    return line
""",
    "forks twice": """
import time

def answer(line, number):
    until = time.process_time() + 0.01
    while time.process_time() < until:
        pass
    return line

class Grandchild:
    def __init__(self, target, args, daemon):
        self.target, self.args = target, args

    def start(self):
        if child := os.fork():
            self.args[0].close()
            os.waitpid(child, 0)
        else:
            if not os.fork():
                self.target(*self.args)
            os._exit(0)

threading.Thread = Grandchild
""",
    "silent": """
def converse(connection, number):
    for line in connection.makefile("rb"):
        connection.sendall(line)
""",
    "hangs": """
def answer(line, number):
    return line if number == 1 else b""
""",
    "refuses": """
original = converse
def converse(connection, number):
    if number == 1:
        return original(connection, number)
    connection.sendall(b"ERROR server is full\\n")
    finish(connection)
""",
    "leaks": """
def finish(connection):
    kept.append((connection, connection.dup()))
    threading.Event().wait()
""",
    "grows": """
def answer(line, number):
    kept.append(line + bytes(4000))
    return line
""",
    "falls silent": """
def answer(line, number):
    global answers
    answers += 1
    if answers > 30:
        threading.Event().wait()
    return line
""",
    "drops": """
def answer(line, number):
    global answers
    answers += 1
    if answers > 30:
        raise SystemExit  # of this thread
    return line

original = converse
def converse(connection, number):
    try:
        original(connection, number)
    finally:
        connection.shutdown(socket.SHUT_RDWR)
""",
    "turns away": """
def converse(connection, number):
    connection.sendall(b"ERROR server is full\\n")
""",
    "leaks a little": """
def finish(connection):
    kept.append(connection.dup())
    connection.shutdown(socket.SHUT_WR)
""",
    "keeps a pool": """
def finish(connection):
    connection.shutdown(socket.SHUT_WR)
    if len(kept) < 10:
        kept.append(connection.dup())
""",
    "remembers the last": """
from collections import deque
kept = deque(maxlen=50)
def answer(line, number):
    kept.append(line + bytes(100_000))
    return line
""",
    "forgets to free": """
def finish(connection):
    kept.append(bytes([1]) * 120_000)
    connection.shutdown(socket.SHUT_WR)
""",
    "ends": """
print("no, not today", file=sys.stderr, flush=True)
os._exit(1)
""",
}


def write(folder, fault):
    """Write a faulty server, and return its path."""
    folder.mkdir(exist_ok=True)
    file = folder / "server.py"
    file.write_text(BASE.replace("{fault}", FAULTS[fault]))
    return file
