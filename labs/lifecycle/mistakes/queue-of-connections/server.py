"""One thread accepts every client into a queue, another serves them in turn: a pool of one."""

import os
import queue
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
    waiting = queue.Queue()
    threading.Thread(target=serve, args=(waiting,), daemon=True).start()
    while True:
        connection, peer = listener.accept()
        number += 1
        waiting.put((connection, peer, number))


def serve(waiting):
    while True:
        connection, peer, number = waiting.get()
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
    worker = f"{os.getpid()}/{threading.get_native_id()}"
    return f"HELLO server={server} client={client} connection={number} worker={worker}\n".encode()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
