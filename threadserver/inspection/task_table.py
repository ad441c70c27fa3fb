"""A report in the terminal: one table of tasks, or a tree, and under it what stands out."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from threadserver.inspection.report import Connection, Listener, Process, Report, Thread
from threadserver.inspection.verdict import Verdict
from threadserver.kernel.processes import remedy
from threadserver.kernel.testimony import MODELS, Model, Testimony

MOST_THREADS = 40
"""Threads of one process that are shown one by one; the others are counted by what they are blocked in."""


def table(report: Report) -> RenderableType:
    """One row a task."""
    shown = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("process", "thread", "name", "state", "blocked in"):
        shown.add_column(heading, no_wrap=True)
    shown.add_column("which is", overflow="fold")
    for process in report.processes:
        first = f"{process.pid}" + (f" ({process.inner_pid} inside)" if process.inner_pid else "")
        for thread in process.threads[:MOST_THREADS]:
            shown.add_row(
                first, str(thread.tid), escape(thread.name), thread.state, thread.call, escape(thread.what or "-")
            )
            first = ""
        if not process.threads:
            shown.add_row(first, "-", escape(process.name), process.state, "-", "-")
        elif len(process.threads) > MOST_THREADS:
            shown.add_row("", "…", "", "", "", f"{len(process.threads) - MOST_THREADS} threads more (--json has them)")
        shown.add_section()
    return Group(shown, *notes(report))


def tree(report: Report) -> RenderableType:
    """Show processes under their parents, threads under their process."""
    top = Tree("server", hide_root=True)
    branches: dict[int, Tree] = {}
    for process in report.processes:
        branch = branches.get(process.parent, top).add(
            f"[bold]{process.pid}[/] {escape(process.command or process.name)}"
        )
        branches[process.pid] = branch
        for thread in process.threads[:MOST_THREADS]:
            branch.add(Text(f"{thread.tid} {thread.name}: {says(thread)}"))
        if len(process.threads) > MOST_THREADS:
            branch.add(f"{len(process.threads) - MOST_THREADS} threads more")
    return Group(top, *notes(report))


def notes(report: Report) -> Iterator[RenderableType]:
    """Say what is not about one task: the queue, connections without a reader, zombies, memory, what is missing."""
    for listener in report.listeners:
        limit = f" of {listener.limit}" if listener.limit else ""
        waiting = [one for one in report.waiting if _comes_to(one, listener)]
        yield Text(f"{listener.address}: {listener.in_use}{limit} connections wait to be accepted{_peers(waiting)}")
    if report.unread:
        yield Text(f"{len(report.unread)} connections that nobody is reading{_peers(report.unread)}", style="yellow")
    if report.zombies:
        pids = ", ".join(map(str, report.zombies))
        yield Text(f"{len(report.zombies)} zombies, ended but never waited for: {pids}", style="yellow")
    for process in report.processes:
        if process.descriptors is not None or process.memory is not None:
            yield Text(f"process {process.pid}: {_size(process)}", style="dim")
    for line in report.missing:
        yield Text(f"not seen: {line}", style="red")


def listening_table(listeners: list[Listener], names: dict[int, str]) -> Table:
    """Say what listens on this machine."""
    shown = Table("address", "waiting", "limit", "process", header_style="bold")
    for one in sorted(listeners, key=lambda listener: listener.address):
        who = (
            ", ".join(f"{pid} {names.get(pid, '')}".strip() for pid in one.pids[:4]) or f"not ours to see ({remedy()})"
        )
        more = f" and {len(one.pids) - 4} more" if len(one.pids) > 4 else ""
        shown.add_row(one.address, str(one.in_use), str(one.limit or "?"), escape(who + more))
    return shown


def says(thread: Thread) -> str:
    """Say in words what a thread does."""
    if thread.call == "running":
        return "is running"
    return f"is blocked in {thread.call}" + (f" on {thread.what}" if thread.what else "")


def _comes_to(one: Connection, listener: Listener) -> bool:
    """Tell whether a connection waits at this listening socket: at its address, or at its port of every address."""
    if not listener.address.startswith("tcp:"):
        return one.local == listener.address
    return one.local.rpartition(":")[2] == listener.address.rpartition(":")[2]


def _peers(connections: list[Connection]) -> str:
    if not connections:
        return ""
    shown = ", ".join(one.peer for one in connections[:5])
    return f": {shown}" + (" …" if len(connections) > 5 else "")


def _size(process: Process) -> str:
    parts = [_count(len(process.threads), "thread")]
    if process.descriptors is not None:
        parts.append(_count(process.descriptors, "descriptor"))
    if process.memory is not None:
        parts.append(f"{process.memory / 2**20:.1f} MiB of memory (PSS)")
    return ", ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def verdict(found: Verdict) -> RenderableType:
    """Give the model, the sentence, and the witnesses."""
    name = found.model + (f" ({found.mechanism})" if found.mechanism else "")
    workers = f", {found.workers} workers" if found.workers else ""
    shown = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for heading in ("witness", "", "evidence", "fits"):
        shown.add_column(heading, no_wrap=heading in {"witness", ""})
    for one in found.witnesses:
        mark = (
            "?"
            if not one.allows or found.model == Model.UNDETERMINED
            else "agrees"
            if one.agrees(found.model)
            else "disagrees"
        )
        shown.add_row(one.name, mark, escape(one.evidence), _short(one))
    return Group(Text(name + workers, style="bold"), Text(found.sentence), shown)


def _short(one: Testimony) -> str:
    """Name what a witness allows, or what it excludes, whichever is shorter."""
    if len(one.allows) <= len(MODELS) // 2:
        return one.says if one.allows else ""
    return "all but " + ", ".join(model for model in MODELS if model not in one.allows)
