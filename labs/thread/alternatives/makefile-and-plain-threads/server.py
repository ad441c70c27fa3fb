"""Reads lines from a file made of the socket, in threads that are no daemons; numbers go down in sevens."""

import os
import socket
import sys
import threading

MAX_LINE = 65_536
workers = set()


def main():
    listener = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=64)
    number = 7_000_000
    while True:
        connection, client = listener.accept()
        number -= 7
        thread = threading.Thread(target=serve, args=(connection, client, number))
        workers.add(thread)
        thread.start()


def serve(connection, client, number):
    try:
        with connection, connection.makefile("rb", buffering=1 << 17) as lines:
            converse(connection, lines, client, number)
    except OSError:
        pass
    finally:
        workers.discard(threading.current_thread())


def converse(connection, lines, client, number):
    server = connection.getsockname()
    worker = threading.current_thread().native_id
    hello = "HELLO server=tcp://%s:%d client=tcp://%s:%d" % (*server[:2], *client[:2])
    connection.sendall(f"{hello} connection={number} worker={os.getpid()}/{worker}\n".encode())
    first = lines.readline(MAX_LINE)
    if not first.endswith(b"\n"):
        return
    if first.rstrip(b"\r\n") != f"CONFIRM {number}".encode():
        connection.sendall(f"ERROR confirmation expected: CONFIRM {number}\n".encode())
        return
    for line in iter(lambda: lines.readline(MAX_LINE), b""):
        if line[-1:] != b"\n" and len(line) == MAX_LINE:
            connection.sendall(b"ERROR line longer than 65536 bytes\n")
            return
        connection.sendall(line)


main()
