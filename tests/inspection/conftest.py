"""Each classification takes a second or more, mostly waiting, so four run at a time beside the other tests."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import require
from tests.inspection.catalogue import examine

AT_ONCE = 4
LONG = 60.0  # seconds that an experiment may take here: it ends early, unless this machine is busy with something else


@cache
def has_rings():
    """Tell whether this kernel allows io_uring, and shows what it waits for."""
    switch = Path("/proc/sys/kernel/io_uring_disabled")
    return switch.exists() and (
        switch.read_text().strip() == "0" or (switch.read_text().strip(), os.geteuid()) == ("1", 0)
    )


@cache
def has_namespaces():
    """Tell whether this machine allows a user namespace with a network in it."""
    return subprocess.run(["unshare", "-r", "-n", "-p", "-f", "true"], capture_output=True).returncode == 0


def have(known):
    """Skip a server that is not installed, or that only root can start; in CI, that is a failure."""
    require(known.tool)
    if known.module and not Path("/usr/lib/python3/dist-packages", known.module).exists():
        require(f"python3-{known.module}")
    if known.tool in {"unshare", "bwrap"}:
        require("ip")
        if not has_namespaces():
            pytest.skip("namespaces are not allowed here")
    if known.root and os.geteuid() != 0:
        pytest.skip("only root can start it")
    if known.rings and not has_rings():
        pytest.skip("io_uring is not allowed here")


@pytest.fixture(scope="session")
def examined(request):
    """The verdict on each server in this run, as futures; all begin when the first is asked for."""
    chosen = {}
    for item in request.session.items:
        known = getattr(item, "callspec", None) and item.callspec.params.get("known")
        if known and "examined" in item.fixturenames and _is_here(known):
            chosen[known.name] = known
    pool = ThreadPoolExecutor(AT_ONCE)
    futures = {name: pool.submit(examine, known, LONG) for name, known in chosen.items()}
    yield futures
    pool.shutdown(cancel_futures=True)


def _is_here(known):
    try:
        have(known)
    except BaseException:  # skipped or failed: the test itself will say so  # noqa: BLE001
        return False
    return True
