"""Coroutines: accepting for asyncio, whose own loop decides who runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from socket import socket

from threadserver.core.limits import Limits
from threadserver.core.loop import LONGEST
from threadserver.core.server import BACK_OFF, Server


async def connections(server: Server) -> AsyncIterator[socket]:
    """Give each client's connection, which does not block, as it is accepted; end when the server is stopped."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    server.limit_by(TaskLimits)
    server.listener.setblocking(False)
    loop.add_reader(server.listener, readable.set)
    try:
        while not server.stopping:
            await readable.wait()
            readable.clear()
            if connection := server.accept():
                connection.setblocking(False)
                yield connection
            elif server.acceptor.exhausted():  # the listener stays readable, and accept() would fail again and again
                await asyncio.sleep(BACK_OFF)
    finally:
        loop.remove_reader(server.listener)


class TaskLimits(Limits):
    """A task of the running event loop looks for what is overdue."""

    def __init__(self, confirm_timeout: float, idle_timeout: float) -> None:
        super().__init__(confirm_timeout, idle_timeout)
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._task = self._loop.create_task(self._run())

    def wake(self) -> None:
        """Let the next look be now; from another thread or a signal handler, too."""
        super().wake()
        with suppress(RuntimeError):  # the loop is closed: there is nobody left
            self._loop.call_soon_threadsafe(self._woken.set)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self.pause(), LONGEST)):
                    await self._woken.wait()
