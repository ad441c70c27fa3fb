"""Iterative echo server as one coroutine: it awaits the end of a client before it awaits the next."""

import asyncio
import os
import socket
import sys
import threading

MAX_LINE = 65536


async def lines(loop, connection):
    rest = b""
    while data := await loop.sock_recv(connection, 8192):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line
        if len(rest) >= MAX_LINE:
            yield rest
            return


async def converse(loop, connection, peer, number):
    worker = f"{os.getpid()}/{threading.get_native_id()}"
    server = "tcp://%s:%d" % connection.getsockname()
    client = "tcp://%s:%d" % peer
    hello = f"HELLO server={server} client={client} connection={number} worker={worker}\n"
    await loop.sock_sendall(connection, hello.encode())
    confirmed = False
    async for line in lines(loop, connection):
        if len(line) >= MAX_LINE:
            await loop.sock_sendall(connection, b"ERROR line longer than 65536 bytes\n")
            return
        if confirmed:
            await loop.sock_sendall(connection, line + b"\n")
        elif line.rstrip(b"\r") == b"CONFIRM %d" % number:
            confirmed = True
        else:
            await loop.sock_sendall(connection, b"ERROR confirmation expected: CONFIRM %d\n" % number)
            return


async def serve(host, port):
    loop = asyncio.get_running_loop()
    listener = socket.create_server((host, int(port)))
    listener.setblocking(False)
    number = 0
    while True:
        connection, peer = await loop.sock_accept(listener)
        number += 1
        with connection:
            try:
                await converse(loop, connection, peer, number)
            except ConnectionError:
                pass


asyncio.run(serve(*sys.argv[1:]))
