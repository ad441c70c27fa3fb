"""Client on asyncio: a task reads standard input in a thread of its own, another prints."""

import asyncio
import os
import re
import sys

LIMIT = 1 << 20


async def main(host, port):
    reader, writer = await asyncio.open_connection(host, int(port), limit=LIMIT)
    writer.write(b"CONFIRM %d\n" % number_in(await reader.readline()))
    counts = {"sent": 0, "end": False}
    sending = asyncio.create_task(send(writer, counts))
    received = 0
    while answer := await reader.readline():
        received += 1
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
    if not counts["end"] or received < counts["sent"]:
        raise ConnectionError("the server has gone")
    await sending


async def send(writer, counts):
    loop = asyncio.get_running_loop()
    try:
        while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
            counts["sent"] += 1
            writer.write(line)
            await writer.drain()
        counts["end"] = True
        writer.write_eof()
    except OSError:
        pass


def number_in(hello):
    found = re.fullmatch(rb"HELLO (.* )?connection=([0-9]+)( .*)?\n", hello)
    if not found:
        raise ConnectionError(f"no HELLO: {hello!r}")
    return int(found[2])


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:3]))
    except OSError as error:
        os.write(2, f"client: {error}\n".encode())
        os._exit(1)
