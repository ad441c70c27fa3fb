"""A report as one HTML page that works offline: processes as boxes, threads as lanes, sockets as ports."""

from dataclasses import dataclass, field

from jinja2 import Environment, PackageLoader

from threadserver.core.plurals import count
from threadserver.core.printable import printable
from threadserver.inspection.report import Process, Report
from threadserver.inspection.task_table import activity

LANE = 26  # pixels a thread takes
HEAD = 34  # the title of a process
GAP = 22  # between two boxes
PORT = 30  # pixels a socket takes on the right
MOST_LANES = 60  # threads drawn in one box
MOST_PEERS = 120


@dataclass
class Box:
    """A process, placed."""

    process: Process
    top: int
    height: int
    depth: int
    lanes: list[tuple[int, str, str, str]] = field(default_factory=list)
    """For each thread: the middle of its lane, its name, what it does, and the kind of its call."""
    more: int = 0


@dataclass
class Port:
    """A socket on the right, with its peer."""

    middle: int
    text: str
    kind: str
    lines: list[tuple[int, int]] = field(default_factory=list)
    """The lanes of the threads that wait for it: number and middle."""


def page(report: Report, title: str) -> str:
    """Return the report as a page with this title."""
    boxes, lanes = _boxes(report)
    ports = _ports(report, lanes)
    height = max(boxes[-1].top + boxes[-1].height if boxes else 0, ports[-1].middle if ports else 0) + 40
    environment = Environment(loader=PackageLoader("threadserver.inspection"), autoescape=True)
    environment.filters["printable"] = printable
    environment.globals["count"] = count
    return environment.get_template("picture.html.j2").render(
        report=report, title=printable(title), boxes=boxes, ports=ports, height=height, LANE=LANE
    )


def _boxes(report: Report) -> tuple[list[Box], dict[int, list[tuple[int, int]]]]:
    """Place the processes one under another, and note by socket which lanes wait for it."""
    boxes: list[Box] = []
    lanes: dict[int, list[tuple[int, int]]] = {}
    depths: dict[int, int] = {}
    top = 20
    for process in report.processes:
        depth = depths[process.pid] = min(depths.get(process.parent, -1) + 1, 6)
        shown = process.threads[:MOST_LANES]
        box = Box(process, top, HEAD + LANE * max(len(shown), 1) + 8, depth, more=len(process.threads) - len(shown))
        for number, thread in enumerate(shown):
            middle = top + HEAD + LANE * number + LANE // 2
            name = printable(f"{thread.tid} {thread.name}")
            box.lanes.append((middle, name, activity(thread), _kind(thread.call)))
            for inode in thread.sockets:
                lanes.setdefault(inode, []).append((number, middle))
        if box.more:
            box.height += LANE
        boxes.append(box)
        top += box.height + GAP
    return boxes, lanes


def _ports(report: Report, lanes: dict[int, list[tuple[int, int]]]) -> list[Port]:
    ports = []
    middle = 40
    for listener in report.listeners:
        limit = f" of {listener.limit}" if listener.limit else ""
        text = f"{listener.address} · backlog {listener.in_use}{limit}"
        ports.append(Port(middle, text, "listening", lanes.get(listener.inode, [])))
        middle += PORT
    for one in [*report.connections, *report.waiting][:MOST_PEERS]:
        kind = "connection" if one.tasks else "unread" if one in report.unread else "other" if one.inode else "waiting"
        state = one.state if one.inode else "waits to be accepted"
        ports.append(Port(middle, f"{one.peer} · {state}", kind, lanes.get(one.inode, []) if one.inode else []))
        middle += PORT
    return ports


def _kind(call: str) -> str:
    if call == "running":
        return "running"
    if call.startswith("accept"):
        return "accept"
    if call.startswith(("poll", "ppoll", "select", "pselect", "epoll")):
        return "readiness"
    if call.startswith(("rec", "read", "write", "send")):
        return "transfer"
    return "other"
