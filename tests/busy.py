"""Busy processes beside what is tested: a machine that has other things to do."""

import os
import subprocess
import sys
from contextlib import contextmanager


@contextmanager
def busy_beside(count):
    """Let so many processes compute for as long as the block lasts; they end with whoever started them."""
    program = f"import os\nwhile os.getppid() == {os.getpid()}: pass"
    beside = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(count)]
    try:
        yield
    finally:
        for one in beside:
            one.kill()
            one.wait()
