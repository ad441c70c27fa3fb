"""Client that closes as soon as its input has ended."""

import os
import re
import socket
import sys
import threading


def main(host, port):
    connection = socket.create_connection((host, int(port)))
    stream = connection.makefile("rb")
    hello = stream.readline()
    connection.sendall(b"CONFIRM %d\n" % number_in(hello))
    threading.Thread(target=receive, args=(stream,), daemon=True).start()
    for line in sys.stdin.buffer:
        connection.sendall(line)
    connection.close()


def receive(stream):
    why = "the server has gone"
    try:
        for answer in stream:
            sys.stdout.buffer.write(answer)
            sys.stdout.buffer.flush()
    except OSError as error:
        why = error
    print(f"client: {why}", file=sys.stderr, flush=True)
    os._exit(1)


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
