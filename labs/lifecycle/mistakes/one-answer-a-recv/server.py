"""Iterative echo server that answers one line after each recv(), however many have come."""

import os
import socket
import sys
import threading

MAX_LINE = 65536


def main(host, port):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    listener.listen(16)
    number = 0
    while True:
        connection, peer = listener.accept()
        number += 1
        try:
            converse(connection, peer, number)
        except ConnectionError:
            pass
        connection.close()


def converse(connection, peer, number):
    connection.sendall(hello(connection, peer, number))
    confirmed = False
    buffer = b""
    while True:
        data = connection.recv(4096)
        if not data:
            return
        buffer += data
        if b"\n" in buffer:
            line, buffer = buffer.split(b"\n", 1)
            if len(line) >= MAX_LINE:
                connection.sendall(b"ERROR line longer than 65536 bytes\n")
                return
            if confirmed:
                connection.sendall(line + b"\n")
            elif line.rstrip(b"\r") == b"CONFIRM %d" % number:
                confirmed = True
            else:
                connection.sendall(b"ERROR confirmation expected: CONFIRM %d\n" % number)
                return
        if len(buffer) >= MAX_LINE:
            connection.sendall(b"ERROR line longer than 65536 bytes\n")
            return


def hello(connection, peer, number):
    server = "tcp://%s:%d" % connection.getsockname()
    client = "tcp://%s:%d" % peer
    worker = f"{os.getpid()}/{threading.get_native_id()}"
    return f"HELLO server={server} client={client} connection={number} worker={worker}\n".encode()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
