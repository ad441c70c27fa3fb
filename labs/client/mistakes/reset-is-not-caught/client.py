"""Client that handles a server that is absent or that closes, but not a reset."""

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
    threading.Thread(target=send, args=(connection, state), daemon=True).start()
    received = 0
    for answer in stream:
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
        received += 1
    if received < state["sent"] or not state["at end"]:
        raise EOFError("the server has gone")


def number_in(hello):
    found = re.fullmatch(rb"HELLO (.* )?connection=([0-9]+)( .*)?\n", hello)
    if not found:
        raise EOFError(f"no HELLO: {hello!r}")
    return int(found[2])


def send(connection, state):
    try:
        for line in open(0, "rb", closefd=False):
            state["sent"] += 1
            connection.sendall(line)
        state["at end"] = True
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except (ConnectionRefusedError, EOFError) as error:
        sys.exit(f"client: {error}")
