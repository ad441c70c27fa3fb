"""Busy processes beside a test, for a machine that has other work to do."""

import os
import subprocess
import sys
from contextlib import contextmanager


@contextmanager
def busy_beside(count):
    """Keep ``count`` processes computing until the block ends, or until the process that started them ends."""
    program = f"import os\nwhile os.getppid() == {os.getpid()}: pass"
    beside = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(count)]
    try:
        yield
    finally:
        for one in beside:
            one.kill()
            one.wait()
