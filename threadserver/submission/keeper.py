"""The keeper of a started program: a process that its descendants fall back to, daemons too, and that ends them all.

A daemon forks twice and calls setsid(), so neither its group nor its parent leads to it any longer. But the kernel
gives orphans to the nearest *child subreaper* among their ancestors (prctl(2), PR_SET_CHILD_SUBREAPER), which is this
process. It ends them when its standard input ends: when it is told to, and when who started it has died.

A program of its own, without the rest of the kit: ``python keeper.py COMMAND …``. It writes the command's number
on standard output, then its exit status, if it ends of itself.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
GRACE = 2.0  # seconds between asking to end and ending


def parent_of(pid: int) -> int:
    """Read a process's parent; 0 when it has gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def descendants() -> list[int]:
    """Every process below this one."""
    parents = {int(name): parent_of(int(name)) for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208
    below = {os.getpid()}
    while True:
        more = {pid for pid, parent in parents.items() if parent in below} - below
        if not more:
            return sorted(below - {os.getpid()})
        below |= more


def reap(first: "subprocess.Popen[bytes]") -> bool:
    """Wait for children that have ended; False when there is none left. Reports the first one's end."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        if pid == first.pid:
            say(f"ended {os.waitstatus_to_exitcode(status)}")


def say(line: str) -> None:
    """Tell who started us."""
    try:  # noqa: SIM105
        os.write(1, f"{line}\n".encode())
    except OSError:
        pass


def send(number: int, pids: list[int]) -> None:
    """Send a signal to processes, those that have gone left out."""
    for pid in pids:
        try:  # noqa: SIM105
            os.kill(pid, number)
        except OSError:
            pass


def end_all(first: "subprocess.Popen[bytes]") -> None:
    """Ask the first to end, a little later all that are left, and kill what does not."""
    deadline = time.monotonic() + GRACE
    asked = False
    send(signal.SIGTERM, [first.pid] if first.pid in descendants() else descendants())
    while reap(first):
        left = deadline - time.monotonic()
        if not asked and (left < GRACE / 2 or not parent_of(first.pid)):
            asked = True
            send(signal.SIGTERM, descendants())
        if left < 0:
            send(signal.SIGKILL, descendants())
        time.sleep(0.01)


def main() -> None:
    """Start the command, keep it until standard input ends, then end it all."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # only the end of standard input ends it
    wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)

    def defaults() -> None:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)

    try:
        first = subprocess.Popen(
            sys.argv[1:], stdin=subprocess.DEVNULL, stdout=2, start_new_session=True, preexec_fn=defaults
        )
    except OSError as error:
        say(f"failed {os.strerror(error.errno or 0).lower()}")
        return
    say(f"started {first.pid}")
    while True:
        readable, _, _ = select.select([0, wake], [], [])
        if wake in readable:
            os.read(wake, 4096)
            reap(first)
        if 0 in readable and not os.read(0, 4096):
            break
    end_all(first)


if __name__ == "__main__":
    main()
