"""Serves every client in one thread, with coroutines."""

import asyncio
import os
import sys
from contextlib import suppress
from itertools import count
from threading import get_native_id

MAX_LINE = 65_536
numbers = count(1)


async def main(host: str, port: str) -> None:
    """Listen, and let the loop start a coroutine for each client."""
    server = await asyncio.start_server(serve, host, int(port), limit=MAX_LINE - 1)
    await server.serve_forever()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hold one conversation, and close."""
    with suppress(OSError, asyncio.IncompleteReadError):
        await converse(reader, writer, next(numbers))
    writer.close()


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    """Greet, and answer each line."""
    server, client = (writer.get_extra_info(name) for name in ("sockname", "peername"))
    worker = f"{os.getpid()}/{get_native_id()}"
    description = f"server=tcp://{server[0]}:{server[1]} client=tcp://{client[0]}:{client[1]}"
    writer.write(f"HELLO {description} connection={number} worker={worker}\n".encode())
    confirmed = False
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            writer.write(b"ERROR line longer than %d bytes\n" % MAX_LINE)
            return
        if confirmed:
            writer.write(line)
        elif line.rstrip(b"\r\n") == b"CONFIRM %d" % number:
            confirmed = True
        else:
            writer.write(b"ERROR confirmation expected: CONFIRM %d\n" % number)
            return
        await writer.drain()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
