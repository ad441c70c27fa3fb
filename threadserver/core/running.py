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

PATIENCE = 1.8  # seconds that a model has to end when it is asked to; Server.run() itself needs less


class OverdueError(BaseException):
    """Raised in a model that was asked to end and has not. A BaseException, so that ``except Exception`` misses it."""


def run_until_signalled(
    make: Callable[[], Server], serve: Model, announce: Callable[[Server], None] = lambda _: None
) -> None:
    """Make a server, announce it, and serve until Ctrl-C or SIGTERM. Only for the main thread, see signal(7).

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
    """Ctrl-C and SIGTERM: the first stops the server; the second, or PATIENCE, interrupts the model; the third exits.

    The handlers are set before there is a server to stop, so that no signal comes too early. One may still come too
    late: a handler runs in the main thread, between two instructions or when a call is interrupted, and a signal that
    arrives just before accept() blocks does neither. When threads compete for the interpreter that moment is long.
    So Python also writes each signal's number to a pipe at once (signal.set_wakeup_fd), and another thread reads it.
    """

    def __init__(self) -> None:
        self._server: Server | None = None
        self._asked = 0
        self._open = True
        self._pipe_lock = Lock()  # no thread may read while the pipe is closed: its descriptor numbers are used again

    def __enter__(self) -> "_Signals":
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
        self._handlers_before = {number: signal.signal(number, self._handle) for number in numbers}
        self._read_end, write_end = self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup_before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        os.register_at_fork(after_in_child=self._close_pipe)  # a child must not read its parent's signals
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        if self._open:
            with self._pipe_lock:
                self._close_pipe()

    def stop(self, server: Server) -> None:
        """Stop this server at the first signal, or now if that has arrived."""
        self._server = server
        server.timeouts.before_each_check = self._check_pipe
        if self._asked:
            server.stop()

    def _check_pipe(self) -> None:
        """Stop the server if a signal has arrived. Works in any thread, and wakes a main thread that is blocked."""
        with self._pipe_lock, suppress(BlockingIOError):
            if self._open and {signal.SIGINT, signal.SIGTERM} & set(os.read(self._read_end, 4096)):
                self._stop()

    def _close_pipe(self) -> None:
        if self._open:
            self._open = False
            signal.set_wakeup_fd(self._wakeup_before)
            if self._server:
                self._server.timeouts.before_each_check = lambda: None
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
    """Serve in a thread of this program until the block ends; ``options`` are those of Server."""
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
    """End this process even if workers are still busy with a service that nothing can interrupt."""
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
    """Return where a model failed, from its own first line on."""
    frames = error.__traceback__
    while frames and frames.tb_frame.f_code is not getattr(serve, "__code__", None):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames or error.__traceback__))
