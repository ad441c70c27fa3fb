"""Running a server: in the foreground until a signal stops it, or in the background of a program."""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread, current_thread
from threading import enumerate as threads
from types import FrameType
from typing import Any

from threadserver.core.address import Address
from threadserver.core.errors import KitError, UsageError
from threadserver.core.server import Model, Server
from threadserver.core.services import find

PATIENCE = 1.8  # seconds that a model has to end when it was asked to; Server.run() itself needs less


class OverdueError(BaseException):
    """Raised into a model that was asked to end and has not; no model's ``except Exception`` may hold it up."""


def run_until_signalled(
    make: Callable[[], Server], serve: Model, announce: Callable[[Server], None] = lambda _: None
) -> None:
    """Make a server, announce it, and serve until Ctrl-C or SIGTERM. Only the main thread can: signal(7).

    Raises KitError when the server cannot be made, or the model fails.
    """
    with _Signals() as signals, make() as server:
        signals.stop(server)
        announce(server)
        try:
            server.run(serve)
        except OverdueError:
            pass
        except Exception as error:
            sys.stderr.write(_explain(error, serve))
            raise KitError(f"the model failed: {type(error).__name__}: {error}") from error


class _Signals:
    """Ctrl-C and SIGTERM: the first one asks, the second one, or the end of patience, interrupts, a third ends all.

    They are minded before there is a server to stop, so that none comes too early. One may still come too late: a
    handler runs in the main thread, between two of its instructions or when a call was interrupted, and a signal that
    arrives just before accept() blocks does neither. Where threads compete for the interpreter that moment is long.
    But what arrived is written down at once, signal.set_wakeup_fd, and another thread reads it.
    """

    def __init__(self) -> None:
        self._server: Server | None = None
        self._asked = 0
        self._looking = True
        self._reading = Lock()  # held by who reads what arrived, or closes it: a number that is closed is used again

    def __enter__(self) -> "_Signals":
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
        self._before = {number: signal.signal(number, self._handle) for number in numbers}
        self._arrived, written = self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._written_before = signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        os.register_at_fork(after_in_child=self._look_no_more)  # what arrives is the parent's; nobody else reads here
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._looking:
            with self._reading:
                self._look_no_more()

    def stop(self, server: Server) -> None:
        """Name the server that is to be stopped."""
        self._server = server
        server.limits.before_each_look = self._look_what_arrived
        if self._asked:
            server.stop()

    def _look_what_arrived(self) -> None:
        """Stop the server, in whatever thread this is called: what blocks the main thread then ends."""
        with self._reading, suppress(BlockingIOError):
            if self._looking and {signal.SIGINT, signal.SIGTERM} & set(os.read(self._arrived, 4096)):
                self._stop()

    def _look_no_more(self) -> None:
        if self._looking:
            self._looking = False
            signal.set_wakeup_fd(self._written_before)
            if self._server:
                self._server.limits.before_each_look = lambda: None
            for descriptor in self._pipe:
                os.close(descriptor)

    def _stop(self) -> None:
        if self._server:
            self._server.stop()

    def _handle(self, _: int, __: FrameType | None) -> None:
        self._asked += 1
        signal.setitimer(signal.ITIMER_REAL, PATIENCE if self._asked == 1 else PATIENCE / 4)
        if self._asked > 2:
            os._exit(0)
        self._stop()
        if self._asked == 2:
            raise OverdueError


@contextmanager
def serving(serve: Model, address: Address | str = "tcp://127.0.0.1:0", **options: Any) -> Iterator[Server]:  # noqa: ANN401
    """Serve in a thread of this program for as long as the block lasts; ``options`` are Server's."""
    if not callable(serve):
        raise TypeError(f"a model is a function serve(server), not {serve!r}; models.find() knows them by name")
    with Server(address, **options) as server:
        runner = Thread(target=server.run, args=(serve,), name="server")
        runner.start()
        try:
            yield server
        finally:
            server.stop()
            runner.join()


def main(serve: Model) -> None:
    """Run a model's file as a program: ``python server.py HOST PORT [SERVICE]``."""
    logging.basicConfig(format="%(message)s")
    try:
        host, port, service = _arguments(sys.argv)
        run_until_signalled(
            lambda: Server(Address("tcp", host, port), find(service)),
            serve,
            lambda server: print(f"listening on {server.address}", flush=True),
        )
    except KitError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    leave()


def leave() -> None:
    """End this process although workers may still be busy with a service that nothing can interrupt."""
    busy = [thread for thread in threads() if thread is not current_thread() and not thread.daemon]
    if busy:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _arguments(argv: list[str]) -> tuple[str, int, str]:
    match argv[1:]:
        case [host, port, *rest] if port.isdecimal() and int(port) < 65536 and len(rest) < 2:
            return host, int(port), rest[0] if rest else "echo"
    raise UsageError(f"usage: {argv[0]} HOST PORT [SERVICE]")


def _explain(error: Exception, serve: Model) -> str:
    """Show where a model failed, from its own first line on."""
    frames = error.__traceback__
    while frames and frames.tb_frame.f_code is not getattr(serve, "__code__", None):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames or error.__traceback__))
