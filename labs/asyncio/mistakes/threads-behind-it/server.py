"""Mistake: each conversation blocks in a thread of an executor."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from socket import socket

import threadserver
from threadserver.core.coroutines import connections


async def converse(server: threadserver.Server, connection: socket, pool: ThreadPoolExecutor) -> None:
    """Leave the conversation to a thread."""
    connection.setblocking(True)
    await asyncio.get_running_loop().run_in_executor(pool, server.converse, connection)


async def serve_all(server: threadserver.Server) -> None:
    """Start a coroutine for each client."""
    pool = ThreadPoolExecutor(200)
    async with asyncio.TaskGroup() as clients:
        async for connection in connections(server):
            clients.create_task(converse(server, connection, pool))


def serve(server: threadserver.Server) -> None:
    """Run an event loop until the server is stopped and every client has gone."""
    asyncio.run(serve_all(server))


if __name__ == "__main__":
    threadserver.main(serve)
