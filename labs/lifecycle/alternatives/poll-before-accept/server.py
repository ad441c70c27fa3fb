"""Iterative echo server that polls before each call: first the listener, then the one connection."""

import os
import selectors
import socket
import sys
import threading

MAX_LINE = 65536


def wait(sock, event):
    with selectors.PollSelector() as selector:
        selector.register(sock, event)
        while not selector.select(60):
            pass


def receive(sock):
    wait(sock, selectors.EVENT_READ)
    return sock.recv(MAX_LINE)


def send(sock, data):
    while data:
        wait(sock, selectors.EVENT_WRITE)
        data = data[sock.send(data) :]


def converse(sock, peer, number):
    worker = f"{os.getpid()}/{threading.get_native_id()}"
    server = "tcp://%s:%d" % sock.getsockname()
    send(sock, f"HELLO server={server} client=tcp://{peer[0]}:{peer[1]} connection={number} worker={worker}\n".encode())
    confirmed, rest = False, b""
    while data := receive(sock):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if len(line) >= MAX_LINE:
                return send(sock, b"ERROR line longer than 65536 bytes\n")
            if confirmed:
                send(sock, line + b"\n")
            elif line.rstrip(b"\r") != b"CONFIRM %d" % number:
                return send(sock, b"ERROR confirmation expected: CONFIRM %d\n" % number)
            confirmed = True
        if len(rest) >= MAX_LINE:
            return send(sock, b"ERROR line longer than 65536 bytes\n")


listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
listener.setblocking(False)
number = 0
while True:
    wait(listener, selectors.EVENT_READ)
    try:
        connection, peer = listener.accept()
    except BlockingIOError:
        continue
    connection.setblocking(False)
    number += 1
    try:
        converse(connection, peer, number)
    except ConnectionError:
        pass
    connection.close()
