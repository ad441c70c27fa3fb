"""Client of two processes: the child sends, the parent receives."""

import os
import re
import signal
import socket
import sys


def main(host, port):
    connection = socket.create_connection((host, int(port)))
    stream = connection.makefile("rb")
    connection.sendall(b"CONFIRM %d\n" % number_in(stream.readline()))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        send(connection, writer)
        os._exit(0)
    os.close(writer)
    received = 0
    try:
        for answer in stream:
            sys.stdout.buffer.write(answer)
            received += 1
    except OSError:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    sys.stdout.buffer.flush()
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
    sent = os.read(reader, 100)
    if not sent or received < int(sent):
        raise ConnectionError("the server has gone")


def send(connection, writer):
    sent = 0
    try:
        for line in sys.stdin.buffer:
            connection.sendall(line)
            sent += 1
        os.write(writer, str(sent).encode())
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass


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
