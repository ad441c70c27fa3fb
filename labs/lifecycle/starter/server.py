"""Your iterative server: python3 server.py HOST PORT. It listens and greets; you write the rest of the conversation."""

import os
import socket
import sys
import threading


def main(host: str, port: str) -> None:
    """Take steps 1 to 3, then serve one client after the other."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)  # 1
    listener.bind((host, int(port)))  # 2. TODO: a restart must find the port free (socket(7), SO_REUSEADDR)
    listener.listen(16)  # 3
    number = 0
    while True:
        connection, peer = listener.accept()  # 6, 8: blocks until a client has connected
        number += 1
        converse(connection, peer, number)
        connection.close()  # 12


def converse(connection: socket.socket, peer: tuple[str, int], number: int) -> None:
    """Serve one client, from HELLO to its end."""
    worker = f"{os.getpid()}/{threading.get_native_id()}"
    hello = f"HELLO server={written(connection.getsockname())} client={written(peer)} "
    hello += f"connection={number} worker={worker}\n"
    connection.sendall(hello.encode())  # 8a
    # TODO 8b: receive the first line. Is it CONFIRM and the number of this connection?
    # TODO 10: receive lines, and send each of them back, until the client has ended.
    # TODO: a client may vanish at any moment. What does recv() or sendall() do then? No other client may notice.


def written(sockaddr: tuple[str, int]) -> str:
    """Write an address as HELLO does."""
    host, port = sockaddr[:2]
    return f"tcp://{host}:{port}"


if __name__ == "__main__":
    main(*sys.argv[1:3])
