"""Iterative echo server with a backlog of five, SO_REUSEPORT, odd numbers from 1001 on and a worker without thread."""

import os
import socket
import sys

MAX_LINE = 65536


def main(host, port):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, int(port)))
    listener.listen(5)
    number = 999
    while True:
        connection, peer = listener.accept()
        number += 2
        try:
            converse(connection, peer, number)
        except ConnectionError:
            pass
        connection.close()


def converse(connection, peer, number):
    connection.sendall(hello(connection, peer, number))
    stream = connection.makefile("rb")
    first = stream.readline(MAX_LINE)
    if not first:
        return
    if first.rstrip(b"\r\n") != b"CONFIRM %d" % number:
        connection.sendall(b"ERROR confirmation expected: CONFIRM %d\n" % number)
        return
    while line := stream.readline(MAX_LINE):
        if not line.endswith(b"\n"):
            if len(line) == MAX_LINE:
                connection.sendall(b"ERROR line longer than 65536 bytes\n")
            break
        connection.sendall(line)


def hello(connection, peer, number):
    server = "tcp://%s:%d" % connection.getsockname()
    client = "tcp://%s:%d" % peer
    return f"HELLO server={server} client={client} connection={number} worker={os.getpid()}\n".encode()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
