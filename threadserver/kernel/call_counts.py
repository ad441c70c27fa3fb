"""Count the system calls that a program makes in a moment, with ``strace -c``, if that is installed and allowed."""

import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable

from threadserver.kernel.eyes import tracer

_ROW = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$", re.MULTILINE)


def calls_made(pids: list[int], a_moment: Callable[[], object], seconds: float = 5.0) -> Counter[str]:
    """Count the calls that these processes make during ``a_moment``, by the call's name; empty if none can be seen.

    ``seconds`` bounds the wait for strace to end. A traced program makes fewer calls than otherwise.
    """
    if shutil.which("strace") is None or not pids:
        return Counter()
    command = ["strace", "-c", "-f", *(word for pid in pids for word in ("-p", str(pid)))]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **tracer(pids)
    ) as strace:
        try:
            a_moment()
            strace.send_signal(signal.SIGINT)
            _, said = strace.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            said = b""
        finally:
            strace.kill()
    return Counter(
        {name: int(count) for count, name in _ROW.findall(said.decode("utf-8", "replace")) if name != "total"}
    )
