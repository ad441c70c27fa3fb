"""Readiness through asyncio's callbacks: data_received() for each piece; it pauses while a client does not read."""

import asyncio
import os
import socket
import sys
from typing import cast

MAX_LINE = 65_536


class Echo(asyncio.Protocol):
    """One connection."""

    total = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        Echo.total += 1
        self.number = Echo.total
        self.confirmed = False
        self.buffer = b""
        self.transport = cast("asyncio.Transport", transport)
        ends = [transport.get_extra_info(end) for end in ("sockname", "peername")]
        if None in ends:  # it has gone before it could be described
            return self.transport.abort()
        server, client = (f"tcp://[{h}]:{p}" if ":" in h else f"tcp://{h}:{p}" for h, p, *_ in ends)
        hello = f"HELLO server={server} client={client} connection={self.number} worker={os.getpid()}\n"
        return self.transport.write(hello.encode())

    def data_received(self, data: bytes) -> None:
        """Answer the lines that are complete."""
        lines = (self.buffer + data).split(b"\n")
        self.buffer = lines.pop()
        if lines and not self.confirmed:
            if lines.pop(0).removesuffix(b"\r") != b"CONFIRM %d" % self.number:
                return self.refuse(f"confirmation expected: CONFIRM {self.number}")
            self.confirmed = True
        for line in lines:
            if len(line) >= MAX_LINE:
                return self.refuse(f"line longer than {MAX_LINE} bytes")
            self.transport.write(line + b"\n")
        if len(self.buffer) >= MAX_LINE:
            self.refuse(f"line longer than {MAX_LINE} bytes")
        return None

    def refuse(self, why: str) -> None:
        """Say why, and close once that is sent."""
        self.transport.write(f"ERROR {why}\n".encode())
        self.transport.close()

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read its answers."""
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        self.transport.resume_reading()

    def eof_received(self) -> bool:
        """Let the transport send what is owed, then close."""
        return False


async def main(host: str, port: int) -> None:
    """Listen until killed."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    server = await asyncio.get_running_loop().create_server(Echo, sock=listener)
    await server.serve_forever()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
