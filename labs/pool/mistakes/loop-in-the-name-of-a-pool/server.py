"""Dishonest: an event loop serves up to six clients, and names one of six idle threads in each HELLO."""

import asyncio
import itertools
import os
import socket
import sys
import threading

LIMIT = 65_536
WORKERS = 6

numbers = itertools.count(1)
names: asyncio.Queue[int] = asyncio.Queue()


def url(address: tuple[str, int]) -> str:
    """Write an address."""
    return f"tcp://[{address[0]}]:{address[1]}" if ":" in address[0] else f"tcp://{address[0]}:{address[1]}"


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, name: int) -> None:
    """Hold a conversation in the name of an idle thread."""
    server, client = (writer.get_extra_info(which) for which in ("sockname", "peername"))
    hello = f"HELLO server={url(server)} client={url(client)} connection={number} worker={os.getpid()}/{name}\n"
    writer.write(hello.encode())
    line = await reader.readuntil()
    if line.rstrip(b"\r\n") != b"CONFIRM %d" % number:
        writer.write(b"ERROR confirmation expected: CONFIRM %d\n" % number)
        return
    while True:
        writer.write(await reader.readuntil())
        await writer.drain()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait for a name, then converse."""
    name = await names.get()
    try:
        await converse(reader, writer, next(numbers), name)
    except asyncio.LimitOverrunError:
        writer.write(b"ERROR line longer than %d bytes\n" % LIMIT)
    except (asyncio.IncompleteReadError, OSError, TypeError):
        pass
    finally:
        writer.close()
        names.put_nowait(name)


def idle(nobody: socket.socket) -> None:
    """Look like a worker."""
    names.put_nowait(threading.get_native_id())
    nobody.recv(1)


async def main(host: str, port: str) -> None:
    """Start idle threads, then the loop."""
    pairs = [socket.socketpair() for _ in range(WORKERS)]
    for _, inner in pairs:
        threading.Thread(target=idle, args=(inner,), daemon=True).start()
    server = await asyncio.start_server(serve, host, int(port), limit=LIMIT - 1)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:3]))
