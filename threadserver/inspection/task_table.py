"""A report in the terminal: a table or tree of tasks, and below it what stands out."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from threadserver.core.plurals import count
from threadserver.core.printable import printable
from threadserver.inspection.report import Connection, Listener, Process, Report, Thread
from threadserver.inspection.verdict import Verdict
from threadserver.kernel.processes import remedy
from threadserver.kernel.testimony import MODELS, Model, Testimony

MOST_THREADS = 40
"""Threads of one process that are shown one by one; the rest is only counted."""


def table(report: Report) -> RenderableType:
    """Return the report as a table with one row per task."""
    shown = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("process", "thread", "name", "state", "blocked in"):
        shown.add_column(heading, no_wrap=True)
    shown.add_column("on", overflow="fold")
    for process in report.processes:
        first = f"{process.pid}" + (f" ({process.inner_pid} inside)" if process.inner_pid else "")
        for thread in process.threads[:MOST_THREADS]:
            shown.add_row(
                first, str(thread.tid), _plain(thread.name), thread.state, thread.call, _plain(thread.what or "-")
            )
            first = ""
        if not process.threads:
            shown.add_row(first, "-", _plain(process.name), process.state, "-", "-")
        elif (more := len(process.threads) - MOST_THREADS) > 0:
            shown.add_row("", "…", "", "", "", f"{count(more, 'more thread')} (--json lists all)")
        shown.add_section()
    return Group(shown, *notes(report))


def tree(report: Report) -> RenderableType:
    """Return the report as a tree: processes under their parents, threads under their process."""
    top = Tree("server", hide_root=True)
    branches: dict[int, Tree] = {}
    for process in report.processes:
        title = Text(f"{process.pid} ", style="bold").append(_plain(process.command or process.name).plain, "not bold")
        branch = branches.get(process.parent, top).add(title)
        branches[process.pid] = branch
        for thread in process.threads[:MOST_THREADS]:
            branch.add(_plain(f"{thread.tid} {thread.name}: {activity(thread)}"))
        if len(process.threads) > MOST_THREADS:
            branch.add(count(len(process.threads) - MOST_THREADS, "more thread"))
    return Group(top, *notes(report))


def notes(report: Report) -> Iterator[RenderableType]:
    """Yield what is not about one task: the backlog, unread connections, zombies, memory, and what is missing."""
    for listener in report.listeners:
        waiting = [one for one in report.waiting if _comes_to(one, listener)]
        yield Text(f"{listener.address}: {backlog(listener)}{_peers(waiting)}")
    if report.unread:
        unread = count(len(report.unread), "connection that no task reads", "connections that no task reads")
        yield Text(f"{unread}{_peers(report.unread)}", style="yellow")
    if report.zombies:
        pids = ", ".join(map(str, report.zombies))
        yield Text(f"{count(len(report.zombies), 'zombie')}, ended but not waited for: {pids}", style="yellow")
    for process in report.processes:
        if process.descriptors is not None or process.memory is not None:
            yield Text(f"process {process.pid}: {_size(process)}", style="dim")
    for line in report.missing:
        yield Text(f"not seen: {printable(line)}", style="red")


def listening_table(listeners: list[Listener], names: dict[int, str]) -> Table:
    """Return a table of everything that listens on this machine."""
    shown = Table("address", "waiting", "limit", "process", header_style="bold")
    for one in sorted(listeners, key=lambda listener: listener.address):
        owners = ", ".join(f"{pid} {names.get(pid, '')}".strip() for pid in one.pids[:4])
        more = f" and {len(one.pids) - 4} more" if len(one.pids) > 4 else ""
        process = _plain(owners + more) if owners else Text(f"hidden: you lack permission ({remedy()})")
        shown.add_row(one.address, str(one.in_use), str(one.limit or "?"), process)
    return shown


def activity(thread: Thread) -> str:
    """Return in words what a thread does."""
    if thread.call == "running":
        return "running"
    return f"blocked in {thread.call}" + (f" on {thread.what}" if thread.what else "")


def backlog(listener: Listener) -> str:
    """Return in words how many connections wait to be accepted, and how many may."""
    waiting = count(listener.in_use, "connection waits", "connections wait")
    return f"{waiting} to be accepted" + (f" (limit {listener.limit})" if listener.limit else "")


def _plain(text: str) -> Text:
    """Return untrusted text for a cell, without markup or control characters."""
    return Text(printable(text))


def _comes_to(one: Connection, listener: Listener) -> bool:
    """Tell whether a connection waits at this listening socket: on its address, or on its port of all addresses."""
    if not listener.address.startswith("tcp:"):
        return one.local == listener.address
    return one.local.rpartition(":")[2] == listener.address.rpartition(":")[2]


def _peers(connections: list[Connection]) -> str:
    if not connections:
        return ""
    shown = ", ".join(one.peer for one in connections[:5])
    return f": {shown}" + (" …" if len(connections) > 5 else "")


def _size(process: Process) -> str:
    parts = [count(len(process.threads), "thread")]
    if process.descriptors is not None:
        parts.append(count(process.descriptors, "descriptor"))
    if process.memory is not None:
        parts.append(f"{process.memory / 2**20:.1f} MiB of memory (PSS)")
    return ", ".join(parts)


def verdict(found: Verdict) -> RenderableType:
    """Return the model, the sentence, and the witnesses."""
    name = found.model + (f" ({found.mechanism})" if found.mechanism else "")
    workers = f", {count(found.workers, 'worker')}" if found.workers else ""
    shown = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for heading in ("witness", "", "evidence", "possible models"):
        shown.add_column(heading, no_wrap=heading in {"witness", ""})
    for one in found.witnesses:
        shown.add_row(one.name, _agreement(one, found.model), _plain(one.evidence), _fitting(one))
    return Group(Text(name + workers, style="bold"), _plain(found.sentence), shown)


def _agreement(one: Testimony, model: Model) -> str:
    if not one.allows or model == Model.UNDETERMINED:
        return "?"
    return "agrees" if one.agrees(model) else "disagrees"


def _fitting(one: Testimony) -> str:
    """Return the models that fit what a witness saw, or those that do not, whichever is shorter."""
    if len(one.allows) <= len(MODELS) // 2:
        return one.says if one.allows else ""
    return "all but " + ", ".join(model for model in MODELS if model not in one.allows)
