"""Lab asyncio: there is a coroutine for each client, but it blocks. Let it hand on wherever it would have to wait.

loop.sock_recv(connection, size)      a coroutine: bytes that have come, b"" for the end
loop.sock_sendall(connection, data)   a coroutine: send all of it
server.conversing(connection)         gives the conversation, which never touches a socket, and closes in the end
    .greet(worker())                  HELLO, as bytes to send
    .receive(data)                    takes the bytes that came; gives the answers to send, one by one
    .finished                         nothing more will be answered
"""

import asyncio
from socket import socket

import threadserver
from threadserver.core.coroutines import connections
from threadserver.core.server import worker


async def converse(server: threadserver.Server, connection: socket) -> None:
    """Hold one conversation. A socket that blocks, blocks everybody here."""
    connection.setblocking(True)  # connections() has given one that does not block
    with server.conversing(connection) as conversation:
        connection.sendall(conversation.greet(worker()))
        while not conversation.finished:
            for answer in conversation.receive(connection.recv(2048)):
                connection.sendall(answer)


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
