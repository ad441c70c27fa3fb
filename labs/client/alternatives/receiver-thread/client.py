"""Client whose main thread sends, and whose second thread receives and ends the program."""

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
    state = {"sent": 0, "at end": False}
    receiver = threading.Thread(target=receive, args=(stream, state), daemon=True)
    receiver.start()
    send(connection, state)
    receiver.join()


def receive(stream, state):
    received = 0
    try:
        for answer in stream:
            sys.stdout.buffer.write(answer)
            received += 1
    except OSError:
        pass
    sys.stdout.buffer.flush()
    if received == state["sent"] and state["at end"]:
        os._exit(0)
    os.write(2, b"client: the server has gone\n")
    os._exit(1)


def number_in(hello):
    found = re.fullmatch(rb"HELLO (.* )?connection=([0-9]+)( .*)?\n", hello)
    if not found:
        raise ConnectionError(f"no HELLO: {hello!r}")
    return int(found[2])


def send(connection, state):
    try:
        for line in sys.stdin.buffer:
            state["sent"] += 1
            connection.sendall(line)
        state["at end"] = True
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except OSError as error:
        sys.exit(f"client: {error}")
