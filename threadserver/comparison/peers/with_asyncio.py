"""The standard library's asyncio streams. Blocking calls run in a thread, as the manual says; computing does not."""

import asyncio
from asyncio import StreamReader, StreamWriter

from threadserver.comparison.peers._peer_protocol import BACKLOG, answer, arguments, hello
from threadserver.core import services

HOST, PORT, SERVICE = arguments()


async def converse(reader: StreamReader, writer: StreamWriter) -> None:
    """Greet, wait for the confirmation, then answer line by line."""
    greeting, confirmation = hello(*(writer.get_extra_info(name) for name in ("sockname", "peername")))
    try:
        writer.write(greeting)
        if await reader.readline() == confirmation:
            await reply(reader, writer)
    except (ConnectionError, ValueError):
        pass  # the client has left, or its line was too long
    finally:
        writer.close()


async def reply(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer until the client half-closes."""
    while line := await reader.readline():
        blocks = SERVICE is services.sleep
        writer.write(await asyncio.to_thread(answer, SERVICE, line) if blocks else answer(SERVICE, line))
        await writer.drain()


async def main() -> None:
    """Listen and serve."""
    server = await asyncio.start_server(converse, HOST, PORT, backlog=BACKLOG)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
