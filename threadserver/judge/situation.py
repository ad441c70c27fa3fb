"""What the kernel shows of a submission at one moment: its tasks, and how far each of the judge's clients has come.

This module puts the evidence of a failed check into words; `diagnosis` names the bug that it suggests.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from threadserver.judge.transcript import counted
from threadserver.kernel.look import Look
from threadserver.kernel.processes import links, owners
from threadserver.kernel.sockets import Socket
from threadserver.kernel.syscalls import CHILD, LOCK, RECEIVE, SEND, SLEEP
from threadserver.kernel.task import Task, TaskId

MOST_LINES = 14
WAITING, ACCEPTED, GONE = "waits in the accept queue", "accepted", "gone"


@dataclass(frozen=True, slots=True)
class Situation:
    """One look at the tasks, with the server's end of each client's connection."""

    look: Look
    ends: dict[int, Socket]
    """The server's end of each client's connection, by the client's number; absent when it is gone."""
    inner: dict[TaskId, TaskId]
    """The numbers by which the submission itself knows its tasks."""
    held: dict[int, frozenset[int]]
    """Which processes have each client's connection open."""

    def phase(self, number: int) -> str:
        """Return how far the server has come with a client."""
        end = self.ends.get(number)
        if end is None or not (end.inode or end.queued):
            return GONE
        return ACCEPTED if end.inode else WAITING

    def waiting_for(self, number: int) -> list[Task]:
        """Return the tasks that wait for a client's connection, without those that only peek."""
        end = self.ends.get(number)
        found = self.look.waiting_for(end.inode) if end and end.inode else []
        return [task for task in found if not task.call.peeks]

    def reading_from(self, number: int) -> list[Task]:
        """Return the tasks that wait until they can read from a client's connection."""
        end = self.ends.get(number)
        return [task for task in self.waiting_for(number) if end and end.inode not in task.not_to_read]

    def blocked_in(self, calls: Iterable[str]) -> list[Task]:
        """Return the tasks that are blocked in one of these calls."""
        return [task for task in self.look.tasks.values() if task.call.name in calls]

    def clients_of(self, task: Task) -> list[int]:
        """Return the clients whose connections a task's blocked call waits for."""
        return [number for number, end in self.ends.items() if end.inode and end.inode in task.sockets]

    def name_of(self, task: TaskId) -> str:
        """Return a task's name as the submission would know it: thread 14 of process 12."""
        pid, tid = self.inner.get(task, task)
        return f"process {pid}" if pid == tid else f"thread {tid} of process {pid}"

    def text(self) -> str:
        """Describe it in lines: one line for all tasks that do the same, then the waiting clients."""
        lines = self._tasks()
        zombies = [str(self.inner.get((pid, pid), (pid, pid))[0]) for pid in self.look.zombies]
        if zombies:
            lines.append(
                f"{counted(len(zombies), 'zombie')} ({', '.join(zombies[:8])}): ended, and no process has waited for "
                f"{'it' if len(zombies) == 1 else 'them'}"
            )
        waiting = [number for number in self.ends if self.phase(number) == WAITING]
        if waiting:
            lines.append(f"{_clients(waiting)} {'waits' if len(waiting) == 1 else 'wait'} in the accept queue")
        for number, end in self.ends.items():
            if end.inode and end.receive_queue:
                lines.append(f"{counted(end.receive_queue, 'byte')} from client {number} unread")
        return "\n".join(lines[:MOST_LINES] + (["…"] if len(lines) > MOST_LINES else []))

    def _tasks(self) -> list[str]:
        alike: dict[str, list[Task]] = {}
        for task in self.look.tasks.values():
            alike.setdefault(self.doing(task), []).append(task)
        return [
            f"{self.name_of(found[0].id) if len(found) == 1 else f'{len(found)} tasks'} {_agree(doing, len(found))}"
            for doing, found in alike.items()
        ]

    def doing(self, task: Task) -> str:
        """Return what a task does or waits for, in words."""
        call = task.call
        if task.running:
            return "is running"
        if call.name in LOCK:
            return f"is blocked in {call.name}: it waits for a lock, or for another thread"
        if call.name in CHILD:
            return f"is blocked in {call.name}: it waits for a child to end"
        if call.name in SLEEP:
            return f"sleeps in {call.name}"
        what = self._sockets(task)
        return f"is blocked in {call.name}{f' on {what}' if what else ''}"

    def _sockets(self, task: Task) -> str:
        clients = self.clients_of(task)
        parts = ["the listening socket"] if task.sockets & self.look.listeners else []
        if clients:
            parts.append(f"the connection{'s' if len(clients) > 1 else ''} of {_clients(clients)}")
        return " and ".join(parts)


def held_by(ends: dict[int, Socket], pids: Iterable[int]) -> dict[int, frozenset[int]]:
    """Find which processes have each client's connection open."""
    by_inode = owners((end.inode for end in ends.values() if end.inode), pids)
    return {number: frozenset(by_inode.get(end.inode, ())) for number, end in ends.items()}


def descriptors(pids: Iterable[int]) -> int:
    """Count the descriptors of processes."""
    return sum(len(links(pid)) for pid in pids)


def sending_or_receiving(task: Task) -> str:
    """Return "send" or "recv" for a call that is blocked in one; empty for any other."""
    if task.call.name in SEND:
        return "send"
    return "recv" if task.call.name in RECEIVE else ""


def inner_ids(tasks: Iterable[TaskId]) -> dict[TaskId, TaskId]:
    """Read the numbers that tasks have in their own process namespace (pid_namespaces(7), NSpid)."""
    found = {}
    for pid, tid in tasks:
        with suppress(OSError, ValueError, IndexError):
            found[pid, tid] = (_innermost(f"/proc/{pid}/status"), _innermost(f"/proc/{pid}/task/{tid}/status"))
    return found


def _innermost(path: str) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = os.read(descriptor, 8192)
    finally:
        os.close(descriptor)
    line = next(line for line in text.splitlines() if line.startswith(b"NSpid:"))
    return int(line.split()[-1])


def _clients(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"client {numbers[0]}"
    shown = ", ".join(map(str, numbers[:6])) + (", …" if len(numbers) > 6 else "")
    return f"{len(numbers)} clients ({shown})"


def _agree(doing: str, count: int) -> str:
    if count == 1:
        return doing
    for one, many in (("is ", "are "), ("sleeps ", "sleep "), ("it waits", "they wait")):
        doing = doing.replace(one, many, 1)
    return doing
