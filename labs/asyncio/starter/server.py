"""Lab asyncio: there is a coroutine for each client, but it blocks. Let it give up the thread wherever it would block.

loop.sock_recv(connection, size)      a coroutine: returns the bytes that have arrived, b"" for the end
loop.sock_sendall(connection, data)   a coroutine: sends all of the data
server.conversing(connection)         the conversation, which never touches a socket; closes the connection at the end
    .greet(worker())                  returns HELLO, as bytes to send
    .receive(data)                    takes the bytes that arrived; yields the answers to send, one by one
    .finished                         no more answers will come
"""

import asyncio
from socket import socket

import threadserver
from threadserver.core.coroutines import connections
from threadserver.core.server import worker


async def converse(server: threadserver.Server, connection: socket) -> None:
    """Hold one conversation. Here a socket that blocks holds up every client."""
    connection.setblocking(True)  # connections() yields sockets that do not block
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
