"""asyncio in several processes: start_server(reuse_port=True) in each of them."""

import asyncio
import itertools
import os
import sys
import threading

MAX_LINE = 65_536
WORKERS = 4


def address(name: tuple[str, int]) -> str:
    """Write an address."""
    return f"tcp://[{name[0]}]:{name[1]}" if ":" in name[0] else f"tcp://{name[0]}:{name[1]}"


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greet, then answer line by line; a client that breaks its connection affects no other."""
    number = next(numbers)
    ends = [writer.get_extra_info(which) for which in ("sockname", "peername")]
    if None in ends:  # it has gone before it could be described
        writer.close()
        return
    server, client = map(address, ends)
    try:
        worker = f"{os.getpid()}/{threading.get_native_id()}"
        writer.write(f"HELLO server={server} client={client} connection={number} worker={worker}\n".encode())
        line = await reader.readuntil()
        if line.rstrip(b"\r\n") != b"CONFIRM %d" % number:
            writer.write(b"ERROR confirmation expected: CONFIRM %d\n" % number)
            return
        while True:
            writer.write(await reader.readuntil())
            await writer.drain()
    except asyncio.LimitOverrunError:
        writer.write(b"ERROR line longer than %d bytes\n" % MAX_LINE)
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.close()


async def main(host: str, port: str) -> None:
    """Listen until killed, beside the others."""
    global numbers
    numbers = itertools.count(os.getpid(), 4_194_304)  # no process has a number beyond that
    server = await asyncio.start_server(converse, host, int(port), limit=MAX_LINE - 1, reuse_port=True)
    await server.serve_forever()


for _ in range(WORKERS - 1):
    if os.fork() == 0:
        break
asyncio.run(main(*sys.argv[1:3]))
