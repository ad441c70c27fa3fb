"""Coroutines: accepting and time-outs for asyncio, whose own loop decides which coroutine runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from socket import socket

from threadserver.core.loop import LONGEST_PAUSE
from threadserver.core.server import BACK_OFF, Server
from threadserver.core.timeouts import Timeouts


async def connections(server: Server) -> AsyncIterator[socket]:
    """Yield each client's connection, set not to block, as it is accepted; ends when the server is stopped."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    server.use_timeouts(TaskTimeouts)
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


class TaskTimeouts(Timeouts):
    """A task of the running event loop runs the checks."""

    def __init__(self, confirm_timeout: float, idle_timeout: float) -> None:
        super().__init__(confirm_timeout, idle_timeout)
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._task = self._loop.create_task(self._run())

    def wake(self) -> None:
        """Make the next check due now. May be called from another thread or a signal handler."""
        super().wake()
        with suppress(RuntimeError):  # the loop is closed: no client is left
            self._loop.call_soon_threadsafe(self._woken.set)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self.pause(), LONGEST_PAUSE)):
                    await self._woken.wait()
