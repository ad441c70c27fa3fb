"""Client in one thread: select() on standard input and the connection, with a buffer for what cannot be sent yet."""

import os
import re
import select
import socket
import sys


def main(host, port):
    connection = socket.create_connection((host, int(port)))
    received = bytearray()
    while b"\n" not in received:
        data = connection.recv(4096)
        if not data:
            raise ConnectionError("closed without HELLO")
        received += data
    hello, _, rest = bytes(received).partition(b"\n")
    outgoing = bytearray(b"CONFIRM %d\n" % number_in(hello + b"\n"))
    connection.setblocking(False)
    asked = answered = 0
    reading, half_closed = True, False
    partial = rest
    while True:
        readers = [connection] + ([0] if reading and len(outgoing) < 65536 else [])
        readable, writable, _ = select.select(readers, [connection] if outgoing else [], [])
        if 0 in readable:
            data = os.read(0, 65536)
            reading = bool(data)
            outgoing += data
            asked += data.count(b"\n")
        if writable:
            del outgoing[: connection.send(outgoing)]
        if not reading and not outgoing and not half_closed:
            connection.shutdown(socket.SHUT_WR)
            half_closed = True
        if connection in readable:
            data = connection.recv(65536)
            if not data:
                break
            *lines, partial = (partial + data).split(b"\n")
            answered += len(lines)
            sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines))
            sys.stdout.buffer.flush()
    if answered < asked or reading:
        raise ConnectionError(f"closed after {answered} of {asked} answers")


def number_in(hello):
    found = re.fullmatch(rb"HELLO (.* )?connection=([0-9]+)( .*)?\n", hello)
    if not found:
        raise ConnectionError(f"no HELLO: {hello!r}")
    return int(found[2])


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except OSError as error:
        sys.exit(f"client: {error}")
