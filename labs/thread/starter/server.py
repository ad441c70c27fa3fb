"""Your thread server: python3 server.py HOST PORT. For now it serves one client after the other."""

import os
import socket
import sys
import threading


def main(host: str, port: str) -> None:
    """Listen, and serve each client."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    listener.listen(128)
    number = 0
    while True:
        connection, client = listener.accept()
        number += 1
        # TODO: a new thread does this, and this loop goes straight back to accept().
        converse(connection, client, number)


def converse(connection: socket.socket, client: tuple[str, int], number: int) -> None:
    """Serve one client, from HELLO to its end."""
    worker = f"{os.getpid()}/{threading.get_native_id()}"  # the task that runs this line
    hello = f"HELLO server={written(connection.getsockname())} client={written(client)} "
    connection.sendall(f"{hello}connection={number} worker={worker}\n".encode())
    # TODO: your conversation of the lab lifecycle goes here. This one serves friendly clients only: it takes the bytes
    # of one recv() for whole lines, and any first line for CONFIRM.
    first = b""
    while not first.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            break
        first += byte
    while data := connection.recv(4096):
        connection.sendall(data)
    connection.close()


def written(address: tuple[str, int]) -> str:
    """Write an address as HELLO does."""
    host, port = address[:2]
    return f"tcp://{host}:{port}"


if __name__ == "__main__":
    main(*sys.argv[1:3])
