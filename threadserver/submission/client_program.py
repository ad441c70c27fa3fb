"""A submission that runs as a client: contained like a server, with pipes for its input, output and errors."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from io import FileIO

from threadserver.submission.contained import Contained
from threadserver.submission.containment import wrap
from threadserver.submission.keeping import Keeper, Order
from threadserver.submission.limits import Limits
from threadserver.submission.preparing import Prepared


class Process(Contained):
    """A client's process. Its pipes are unbuffered; the judge drains and bounds what it reads."""

    def __init__(self, prepared: Prepared, keeper: Keeper, pipes: tuple[FileIO, FileIO, FileIO]) -> None:
        super().__init__(prepared, keeper)
        self.stdin, self.stdout, self.stderr = pipes

    def poll(self) -> int | None:
        """Return its exit code, negative for a signal; None while it runs."""
        return self.ended()

    def wait(self, seconds: float) -> int | None:
        """Wait at most ``seconds`` for its end, and return its exit code; None when it still runs."""
        self._keeper.wait(seconds)
        return self.ended()

    @property
    def failed(self) -> str:
        """Why it could not be started; empty when it was."""
        self._keeper.update()
        return self._keeper.failed


@contextmanager
def process(prepared: Prepared, host: str, port: int, limits: Limits | None = None) -> Iterator[Process]:
    """Start a client submission, and in the end stop all its processes."""
    limits = limits or Limits()
    order = wrap(prepared.containment, prepared.place, [*prepared.command, host, str(port)], limits)
    with ExitStack() as ours:
        keeper, pipes = _start(order, ours)
        client = Process(prepared, keeper, pipes)
        try:
            yield client
        finally:
            client.stop()


def _start(order: Order, ours: ExitStack) -> tuple[Keeper, tuple[FileIO, FileIO, FileIO]]:
    """Make three pipes, start a keeper with their other ends, and close those."""
    with ExitStack() as theirs:
        pairs = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
        ends = [(pairs[0][1], pairs[0][0]), pairs[1], pairs[2]]  # (ours, theirs) of input, output and error
        files = [_open(our_end, "wb" if n == 0 else "rb", ours) for n, (our_end, _) in enumerate(ends)]
        for _, their_end in ends:
            theirs.callback(os.close, their_end)
            if order.user is not None:
                os.fchown(their_end, order.user, order.user)
        keeper = Keeper(replace(order, descriptors=[their_end for _, their_end in ends]))
    return keeper, (files[0], files[1], files[2])


def _open(descriptor: int, mode: str, stack: ExitStack) -> FileIO:
    file = FileIO(descriptor, mode)
    stack.callback(_close, file)
    return file


def _close(file: FileIO) -> None:
    with suppress(OSError):  # a broken pipe, at the last moment
        file.close()
