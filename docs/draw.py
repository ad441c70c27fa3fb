"""Draw the pictures of the documents from a real run: ``make pictures`` writes them into docs/pictures/.

A server, a slow client and a quick one, over real sockets. The slow client connects first and is silent until the
quick one has come and gone. With an iterative server the quick client would wait.
"""

import os
import sys
import tempfile
from pathlib import Path
from threading import Event
from threading import enumerate as threads

from threadserver import serving
from threadserver.clients import Client
from threadserver.core.models import thread
from threadserver.core.trace import Recorder, read
from threadserver.diagrams.sequence import Sequence, sequence
from threadserver.diagrams.still import still
from threadserver.kernel.calls import blocked_call
from threadserver.kernel.syscalls import ACCEPT


def run(trace: Path) -> Sequence:
    """Record the two clients into ``trace``, and return the steps of both."""
    recorder = Recorder(trace)
    with serving(thread.serve, recorder=recorder) as server:
        _wait_for_accept()
        with Client(server.address, recorder=recorder) as slow:
            _wait_for_accept()
            with Client(server.address, recorder=recorder) as quick:
                quick.ask(b"hello, I am quick")
            _wait_for_workers(left=1)
            slow.ask(b"hello, I am slow")
        _wait_for_workers(left=0)
        records = read([trace])  # before the server stops: the picture ends with the last step
    recorder.close()
    return sequence(records)


def _wait_for_accept() -> None:
    """Wait until the server's thread is blocked in accept(): then step 6 reads the same in every run."""
    (server,) = (one.native_id for one in threads() if one.name == "server")
    while blocked_call(os.getpid(), server or 0).name not in ACCEPT:
        Event().wait(0.005)


def _wait_for_workers(left: int) -> None:
    """Wait until all but ``left`` workers have closed their connections and ended."""
    while sum("converse" in one.name for one in threads()) > left:
        Event().wait(0.005)


def main(folder: Path) -> None:
    """Draw every picture into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        (folder / "two-clients.svg").write_text(still(run(Path(scratch) / "trace.jsonl")), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
