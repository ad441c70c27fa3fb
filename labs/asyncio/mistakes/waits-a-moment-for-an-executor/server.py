"""Mistake: an executor computes every answer; the loop helps itself only when that takes too long."""

import asyncio
from socket import socket

import threadserver
from threadserver.core.coroutines import connections
from threadserver.core.server import worker


A_MOMENT = 0.05  # seconds


async def converse(server: threadserver.Server, connection: socket) -> None:
    """Hold one conversation; it reads as if it blocked, but at each ``await`` others have their turn."""
    loop = asyncio.get_running_loop()
    with server.conversing(connection) as conversation:
        await loop.sock_sendall(connection, conversation.greet(worker()))
        while not conversation.finished:
            data = await loop.sock_recv(connection, 2048)
            asked = loop.run_in_executor(None, bytes, data)
            await asyncio.wait([asked], timeout=A_MOMENT)
            for answer in conversation.receive(asked.result() if asked.done() else data):
                await loop.sock_sendall(connection, answer)
                await asyncio.sleep(0)  # what need not wait would not hand on
        if conversation.refused:
            server.timeouts.half_close(connection)
            while await loop.sock_recv(connection, 2048):
                pass


async def serve_all(server: threadserver.Server) -> None:
    """Start a coroutine for each client."""
    async with asyncio.TaskGroup() as clients:
        async for connection in connections(server):
            clients.create_task(converse(server, connection))


def serve(server: threadserver.Server) -> None:
    """Run an event loop until the server is stopped and every client has gone."""
    asyncio.run(serve_all(server))


if __name__ == "__main__":
    threadserver.main(serve)
