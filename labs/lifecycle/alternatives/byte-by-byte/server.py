"""Iterative echo server that reads single bytes with os.read() and writes with os.write()."""

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
    descriptor = connection.fileno()
    write(descriptor, hello(connection, peer, number))
    first = read_line(descriptor)
    if first is None:
        return
    if first.rstrip(b"\r\n") != b"CONFIRM %d" % number:
        write(descriptor, b"ERROR confirmation expected: CONFIRM %d\n" % number)
        return
    while line := read_line(descriptor):
        if line[-1:] != b"\n":
            write(descriptor, b"ERROR line longer than 65536 bytes\n")
            return
        write(descriptor, line)


def read_line(descriptor):
    line = bytearray()
    while len(line) < MAX_LINE:
        byte = os.read(descriptor, 1)
        if not byte:
            return None
        line += byte
        if byte == b"\n":
            break
    return bytes(line)


def write(descriptor, data):
    while data:
        data = data[os.write(descriptor, data) :]


def hello(connection, peer, number):
    server = "tcp://%s:%d" % connection.getsockname()
    client = "tcp://%s:%d" % peer
    worker = f"{os.getpid()}/{threading.get_native_id()}"
    return f"HELLO server={server} client={client} connection={number} worker={worker}\n".encode()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
