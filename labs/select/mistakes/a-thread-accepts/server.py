"""Mistake: select() waits for all clients, but a thread waits in accept(), and passes each new client on."""

import os
import select
import socket
import sys
from queue import SimpleQueue
from threading import Thread

LONGEST = 65_536
ENOUGH = 100_000

numbers: dict[socket.socket, int] = {}
confirmed: set[socket.socket] = set()
leaving: set[socket.socket] = set()
received: dict[socket.socket, bytes] = {}
unsent: dict[socket.socket, bytes] = {}

accepted: SimpleQueue[tuple[socket.socket, tuple[str, int]]] = SimpleQueue()
bell, rings = socket.socketpair()


def describe(address: tuple[str, int]) -> str:
    """Return the URL of an address."""
    return "tcp://{}:{}".format(f"[{address[0]}]" if ":" in address[0] else address[0], address[1])


def begin(client: socket.socket, peer: tuple[str, int], number: int) -> None:
    """Set up the state of a new client; HELLO is the first thing that it is owed."""
    client.setblocking(False)
    numbers[client] = number
    received[client] = b""
    unsent[client] = (
        f"HELLO server={describe(client.getsockname())} client={describe(peer)}"
        f" connection={number} worker={os.getpid()}\n"
    ).encode()


def end(client: socket.socket) -> None:
    """Forget a client."""
    for table in (numbers, received, unsent):
        table.pop(client, None)
    confirmed.discard(client)
    leaving.discard(client)
    client.close()


def error(client: socket.socket, text: str) -> None:
    """Say one last thing to a client."""
    unsent[client] += b"ERROR " + text.encode() + b"\n"
    leaving.add(client)


def read(client: socket.socket) -> None:
    """Take the bytes that have arrived, and queue the answers to complete lines."""
    data = client.recv(8192)
    if not data:
        leaving.add(client)
        return
    *lines, rest = (received[client] + data).split(b"\n")
    received[client] = rest
    for line in lines:
        if client not in confirmed:
            if line.rstrip(b"\r") != f"CONFIRM {numbers[client]}".encode():
                error(client, f"confirmation expected: CONFIRM {numbers[client]}")
                return
            confirmed.add(client)
        elif len(line) >= LONGEST:
            error(client, f"line longer than {LONGEST} bytes")
            return
        else:
            unsent[client] += line + b"\n"
    if len(rest) >= LONGEST:
        error(client, f"line longer than {LONGEST} bytes")


def write(client: socket.socket) -> None:
    """Send as much as there is room for."""
    unsent[client] = unsent[client][client.send(unsent[client]) :]


def attempt(action: object, client: socket.socket) -> None:
    """Read or write; a client that is gone is forgotten."""
    try:
        action(client)  # type: ignore[operator]
        if client in leaving and not unsent[client]:
            end(client)
    except BlockingIOError:
        pass
    except OSError:
        end(client)


def accept(listener: socket.socket) -> None:
    """Wait for the next client, and wake up select() for it."""
    while True:
        accepted.put(listener.accept())
        bell.send(b"!")


def main(host: str, port: int) -> None:
    """Ask select() again and again which sockets are ready."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=100)
    Thread(target=accept, args=(listener,), daemon=True).start()
    number = 0
    while True:
        readers = [c for c in numbers if c not in leaving and len(unsent[c]) < ENOUGH]
        writers = [c for c in numbers if unsent[c]]
        readable, writable, _ = select.select([rings, *readers], writers, [])
        if rings in readable:
            readable.remove(rings)
            rings.recv(1)
            number += 1
            begin(*accepted.get(), number)
        for client in writable:
            attempt(write, client)
        for client in readable:
            if client in numbers:
                attempt(read, client)


main(sys.argv[1], int(sys.argv[2]))
