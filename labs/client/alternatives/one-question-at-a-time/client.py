"""Client that waits for each answer before it sends the next line."""

import re
import socket
import sys


def main(host, port):
    connection = socket.create_connection((host, int(port)))
    stream = connection.makefile("rb")
    hello = stream.readline()
    connection.sendall(b"CONFIRM %d\n" % number_in(hello))
    for line in sys.stdin.buffer:
        connection.sendall(line)
        answer = stream.readline()
        if not answer:
            raise ConnectionError("the server has gone")
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


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
