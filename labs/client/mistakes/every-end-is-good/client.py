"""Client that takes every end of the connection for a good one."""

import re
import socket
import sys
import threading


def main(host, port):
    connection = socket.create_connection((host, int(port)))
    stream = connection.makefile("rb")
    hello = stream.readline()
    connection.sendall(b"CONFIRM %d\n" % number_in(hello))
    threading.Thread(target=send, args=(connection,), daemon=True).start()
    for answer in stream:
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


def number_in(hello):
    found = re.fullmatch(rb"HELLO (.* )?connection=([0-9]+)( .*)?\n", hello)
    if not found:
        raise ConnectionError(f"no HELLO: {hello!r}")
    return int(found[2])


def send(connection):
    try:
        for line in open(0, "rb", closefd=False):
            connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except OSError as error:
        sys.exit(f"client: {error}")
