"""Ends its main thread once it listens: a process lives as long as any of its threads does (pthread_exit(3))."""

import ctypes
import os
import socket
import sys
from threading import Thread, get_native_id

MAX_LINE = 65_536  # bytes, the LF included


def accept_all(listener):
    number = 0
    while True:
        connection, client = listener.accept()
        number += 1
        Thread(target=serve, args=(connection, client, number)).start()


def serve(connection, client, number):
    with connection:
        try:
            converse(connection, client, number)
        except OSError:
            pass  # the client has gone


def converse(connection, client, number):
    server, worker = written(connection.getsockname()), f"{os.getpid()}/{get_native_id()}"
    say(connection, f"HELLO server={server} client={written(client)} connection={number} worker={worker}")
    confirmed, buffer = False, b""
    while came := connection.recv(16_384):
        buffer += came
        while b"\n" in buffer[:MAX_LINE]:
            line, _, buffer = buffer.partition(b"\n")
            if confirmed:
                connection.sendall(line + b"\n")
            elif line not in (b"CONFIRM %d" % number, b"CONFIRM %d\r" % number):
                return say(connection, f"ERROR confirmation expected: CONFIRM {number}")
            confirmed = True
        if len(buffer) >= MAX_LINE:
            return say(connection, f"ERROR line longer than {MAX_LINE} bytes")


def say(connection, line):
    connection.sendall(line.encode() + b"\n")


def written(address):
    return f"tcp://{address[0]}:{address[1]}"


if __name__ == "__main__":
    here = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=128)
    Thread(target=accept_all, args=(here,)).start()
    ctypes.CDLL(None).pthread_exit(None)
