"""The course of an experiment: which rounds there are, and what each leaves on record for the witnesses.

    baseline    nobody of ours is there
    hold        1, 2, 3 … connections, idle; more until some have to wait, or until it is plain that none will
    speak       something is said on some while the others stay silent: who answers, who moves, who waits then?
    close       all are closed: what becomes of those who served them?
    crowd       where workers stayed: many more connections, in search of an upper bound

Each round is over as soon as the server has come to rest.
"""

import re
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from threadserver.inspection import epoll, tracing
from threadserver.inspection.experiment import PATIENCE, Experiment, Sight
from threadserver.inspection.look import Task, TaskId
from threadserver.inspection.pattern import Holder, Pattern, all_loops, pattern
from threadserver.inspection.processes import status
from threadserver.inspection.subject import Held, Phase
from threadserver.inspection.syscalls import EPOLL, LOCK

FEW = (5, 8, 12)
MANY = (*FEW, 16, 24, 32, 40)
CROWD = (64, 96, 128, 160, 200, 256)
MOST_TASKS = 600  # of a server whose tasks' counters are compared
SPOKEN_TO = 4
ROUNDS = 3
ANSWER = 0.5  # seconds that an answer is waited for
SILENCE = 0.1  # seconds, where the server has answered nothing before
_WORKER = re.compile(rb"^HELLO .*\bworker=(\d+)(?:/(\d+))?", re.MULTILINE)


@dataclass
class Record:
    """What an experiment has shown."""

    baseline: Sight
    holds: list[Pattern] = field(default_factory=list)
    """One for each number of connections."""
    new_holders: dict[int, bool] = field(default_factory=dict)
    """Of each singly held connection: was its holder made after it was opened?"""
    grown: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Tasks and processes for each number of connections held."""
    bounded: bool = False
    """True when connections were left waiting while others were served."""
    refused: bool = False
    """True when the server closed some of the connections, but not all."""
    spoken: Pattern | None = None
    asked: list[int] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    moved: set[TaskId] = field(default_factory=set)
    """Tasks that did something while answers were made, and not when nothing was said."""
    companions: list[set[TaskId]] = field(default_factory=list)
    """Of those, each time, the tasks that are no loops; none at all where a loop once did without."""
    alike: int = 0
    """So many threads of one name wait for a lock beside a loop."""
    dedicated: int = 0
    """How many connections left a loop for a task of their own when they were spoken on."""
    made: bool = False
    """True when those tasks had not been there before."""
    crew: int = 0
    """Tasks that wait as those do, under the same name but for a number: a loop's workers."""
    senders: set[TaskId] | None = None
    """Who sent the answers, where that could be traced."""
    trace: str = ""
    """Why it could not."""
    stayed: set[Holder] | None = None
    """Holders that were still there when every connection was closed; None: not tried."""
    fleeting: bool = False
    """True when those who stayed wait with a time-out: a cache of threads that will end, not a pool."""
    crowd: Pattern | None = None
    workers: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    """Who said HELLO, by connection."""
    zombies: list[int] = field(default_factory=list)
    empty_loops: int = 0
    """Tasks that wait in epoll for nothing at all: loops that have been given no client yet."""

    @property
    def hold(self) -> Pattern:
        """The pattern with the most connections."""
        return self.holds[-1]


def conduct(experiment: Experiment) -> Record:
    """Go through the rounds."""
    record = Record(experiment.see("before any connection of ours"))
    _hold(experiment, record, (1, 2, 3))
    if experiment.died or (not record.hold.sight.accepted and not _nudge(experiment, record)):
        return record
    _grow(experiment, record)
    record.alike = _alike(record.hold)
    record.empty_loops = _empty_loops(record.hold.sight)
    record.workers = {one.number: worker for one in experiment.held if (worker := _hello(one))}
    if not experiment.died:
        _speak(experiment, record)
    _close(experiment, record)
    return record


def _hold(experiment: Experiment, record: Record, totals: tuple[int, ...]) -> None:
    for total in totals:
        if experiment.left <= 0.3 or experiment.died:
            return
        experiment.open(total)
        sight = experiment.see(f"{total} connections held")
        if _strangers(sight):
            experiment.subject.adopt_strangers(experiment.held)
            sight = experiment.see(f"{total} connections held")
        _note(experiment, record, sight)


def _strangers(sight: Sight) -> bool:
    return any(not pids for pids in sight.owners.values())


def _note(experiment: Experiment, record: Record, sight: Sight) -> Pattern:
    found = pattern(sight)
    record.holds.append(found)
    record.grown[len(sight.phases)] = (len(sight.look.tasks), len(sight.look.processes) - len(sight.look.zombies))
    known = {one.number: one.known for one in experiment.held}
    for number, (pid, tid) in found.single.items():
        if number in known:
            record.new_holders.setdefault(number, (pid if tid is None else (pid, tid)) not in known[number])
    record.zombies = sight.look.zombies
    return found


def _nudge(experiment: Experiment, record: Record) -> bool:
    """Send one byte where the kernel keeps connections back until the first bytes; True if that helped."""
    words = experiment.speech.request(b"")
    if not words or not any(one.phase is Phase.DEFERRED for one in experiment.held):
        if record.hold.sight.queued and experiment.left > PATIENCE:
            _note(experiment, record, experiment.see("3 connections held", PATIENCE))
        return bool(record.hold.sight.accepted)
    experiment.nudge = words[0][:1]
    experiment.nudge_all()
    _note(experiment, record, experiment.see("one byte said on each"))
    return bool(record.hold.sight.accepted)


def _grow(experiment: Experiment, record: Record) -> None:
    """Hold more, until some have to wait or it is plain that none will."""
    shared = len(experiment.subject.listeners) > 1  # the kernel deals connections to busy and idle listeners alike
    if record.hold.looped or shared:
        targets: tuple[int, ...] = (8, 16, 24)
    elif _one_process_each(record.hold) and all(record.new_holders.values()):
        targets = FEW
    else:
        targets = MANY
    for total in targets:
        if (
            experiment.left < 2.2
            or (not shared and _is_bounded(experiment, record))
            or record.refused
            or experiment.died
        ):
            break
        _hold(experiment, record, (total,))
        record.refused = bool(record.hold.sight.gone)
    _is_bounded(experiment, record)


def _one_process_each(found: Pattern) -> bool:
    return len(found.processes) == len(found.single) > 0


def _is_bounded(experiment: Experiment, record: Record) -> bool:
    """Tell whether connections wait though others are served, and go on waiting."""
    if record.bounded:
        return True
    if _someone_waits(record.hold):
        begun = time.monotonic()
        title = record.hold.sight.title
        while _someone_waits(record.hold) and time.monotonic() - begun < min(PATIENCE, experiment.left - 1):
            time.sleep(0.02)
            record.holds.pop()
            _note(experiment, record, experiment.see(title, 0.1))
        record.bounded = _someone_waits(record.hold)
    return record.bounded


def _someone_waits(found: Pattern) -> bool:
    return bool(found.sight.queued or (found.unwatched and found.single))


def _alike(found: Pattern) -> int:
    """Count idle threads of one name in the loops' processes: a pool's are made alike, helpers each for its own end."""
    loops = all_loops(found)
    pids = {pid for pid, _ in loops}
    names: Counter[tuple[int, str]] = Counter()
    for key, task in found.sight.look.tasks.items():
        if key not in loops and task.pid in pids and task.call.name in LOCK:
            with suppress(OSError):
                names[task.pid, status(*key).name] += 1
    return max(names.values(), default=0)


def _empty_loops(sight: Sight) -> int:
    waiting = {
        (task.pid, descriptor)
        for task in sight.look.tasks.values()
        if task.call.name in EPOLL and not task.sockets
        for descriptor in task.call.descriptors or ()
    }
    empty = 0
    for pid, descriptor in waiting:
        with suppress(OSError):
            empty += not epoll.watched(pid, descriptor)
    return empty


def _hello(one: Held) -> tuple[int, int | None] | None:
    match = _WORKER.search(one.received)
    return (int(match[1]), int(match[2]) if match[2] else None) if match else None


def _speak(experiment: Experiment, record: Record) -> None:
    """Ask on some connections while the others stay silent, and see who moves, who answers and who waits then."""
    served = set(record.hold.single) | record.hold.in_loops
    talking = [number for number in record.hold.sight.accepted if number in served or not served]
    heard = {one.number: one.received for one in experiment.held}
    words = experiment.speech.request(heard[talking[-1]]) if talking else ()
    if not words or experiment.left < 0.5 or not _worth_asking(experiment, record):
        return
    if experiment.nudge:
        words = (words[0][len(experiment.nudge) :], *words[1:])
    _converse(experiment, record, talking, words)
    moved_on = record.spoken and len(set(record.spoken.single) & set(record.asked)) * 2 > len(record.asked)
    if record.hold.looped and moved_on and experiment.left > 1:
        rest = [number for number in record.hold.sight.accepted if number not in record.asked]
        _dedicate(experiment, record, rest, words)
    elif (record.hold.looped and record.companions) or record.hold.doubtful or record.hold.peeked:
        _trace(experiment, record, words)
    record.crew = _crew(record)


def _crew(record: Record) -> int:
    """Count the idle tasks of the kind that was seen to work beside the loops."""
    loops = all_loops(record.hold)
    busy = (record.senders or set().union(*record.companions)) - set(loops)
    idle = {key: task for key, task in record.hold.sight.look.tasks.items() if key not in loops}
    kinds = {_kind(task) for key, task in idle.items() if key in busy}
    return sum(_kind(task) in kinds for task in idle.values())


def _kind(task: Task) -> tuple[str, str]:
    name = ""
    with suppress(OSError):
        name = status(task.pid, task.tid).name
    return re.sub(r"\d+", "", name), task.call.name


def _converse(experiment: Experiment, record: Record, talking: list[int], words: tuple[bytes, ...]) -> None:
    """Speak on a few connections at a time, and note which tasks move beside the loops each time.

    A task that moves by a timer of its own will not move every time.
    """
    loops = set(all_loops(record.hold))
    counted = len(record.hold.sight.look.tasks) <= MOST_TASKS
    noise = _stirring(experiment) if counted else set()
    for _ in range(ROUNDS if record.hold.looped and counted else 1):
        now = [number for number in talking if number not in record.asked][-SPOKEN_TO:]
        if not now or experiment.left < 0.3:
            break
        before = experiment.counters() if counted else {}
        for word in words:
            patience = ANSWER if record.answered or not record.asked else SILENCE
            record.answered += experiment.ask(now, word, patience)
        record.asked += now
        record.spoken = pattern(experiment.see("after something was said"))
        after = experiment.counters() if counted else {}
        moved = {key for key, count in after.items() if count != before.get(key)}
        record.moved |= moved - noise
        record.companions.append(moved - noise - loops)
    if not all(record.companions):
        record.companions = []  # once the loop did without anyone else


def _dedicate(experiment: Experiment, record: Record, numbers: list[int], words: tuple[bytes, ...]) -> None:
    """With its first bytes a connection left the loop for a task of its own: say something on all the others, too."""
    known = set(record.hold.sight.look.tasks) | set(record.baseline.look.tasks)
    for word in words:
        experiment.ask(numbers, word, SILENCE)
    record.spoken = pattern(experiment.see("after something was said on all"))
    record.dedicated = len(record.spoken.single)
    record.made = all((pid, tid) not in known for pid, tid in record.spoken.holders)


def _worth_asking(experiment: Experiment, record: Record) -> bool:
    """Say always what the user or the greeting allows; a request unasked for only where it decides something."""
    if experiment.speech.protocol != "auto" or record.workers:
        return True
    if record.hold.looped:  # workers may be made with the first request
        return True
    return len(record.hold.processes) < len(record.hold.single) and (
        record.bounded or not all(record.new_holders.values())
    )


def _stirring(experiment: Experiment) -> set[TaskId]:
    """Tasks that move although nothing is said: timers, housekeeping."""
    before = experiment.counters()
    time.sleep(min(0.05, max(experiment.left / 4, 0)))
    return {key for key, count in experiment.counters().items() if count != before.get(key)}


def _trace(experiment: Experiment, record: Record, words: tuple[bytes, ...]) -> None:
    """Watch who reads and who sends, for a moment, on connections that are still open."""
    untold = [number for number in record.hold.sight.accepted if number not in record.asked]
    still = [number for number in record.asked if record.spoken and number in record.spoken.sight.accepted]
    numbers = (untold or still)[:SPOKEN_TO]
    inodes = {one.inode for one in experiment.held if one.number in numbers}
    pids = [pid for pid, one in record.hold.sight.look.processes.items() if one.state != "Z"]
    with tracing.senders(pids, inodes, experiment.left) as traced:
        if traced.ready:
            for word in words:
                experiment.ask(numbers, word, ANSWER if record.answered else SILENCE)
            experiment.see("while traced")
    record.senders, record.trace = traced.senders, traced.problem


def _close(experiment: Experiment, record: Record) -> None:
    """Close everything, and see which holders are still there; where they are, look for an upper bound."""
    if experiment.died or (record.hold.looped and not record.dedicated):
        return
    if record.dedicated and record.spoken:
        record.stayed = set()
        return
    holders = set(record.hold.holders)
    experiment.close()
    begun = time.monotonic()
    while True:
        look = experiment.see("all closed").look
        alive = {pid for pid, one in look.processes.items() if one.state not in "ZX"}
        record.stayed = {
            (pid, tid) for pid, tid in holders if pid in alive and (tid is None or (pid, tid) in look.tasks)
        }
        record.zombies = look.zombies
        if not record.stayed or time.monotonic() - begun > min(0.5, experiment.left):
            break
        time.sleep(0.02)
    record.fleeting = _fleeting(experiment.sights[-1], record.stayed)
    if record.stayed and not record.bounded and not record.refused and not _one_process_each(record.hold):
        _crowd(experiment, record)


def _fleeting(sight: Sight, stayed: set[Holder]) -> bool:
    """Tell from the fourth argument of futex(2), the time-out, whether threads without work wait for ever."""
    tasks = [task for key, task in sight.look.tasks.items() if key in stayed and task.call.name == "futex"]
    return bool(tasks) and sum(task.call.arguments[3] != 0 for task in tasks) * 2 > len(tasks)


def _crowd(experiment: Experiment, record: Record) -> None:
    """Look for the bound of workers that stay: a cache of threads has none."""
    held = len(record.hold.sight.phases)
    for total in (held, *CROWD):
        if experiment.left < 0.8 or total < held:
            break
        experiment.open(total)
        found = pattern(experiment.see(f"{total} connections held"))
        record.crowd = found
        if _someone_waits(found) or found.sight.gone:
            experiment.see(f"{total} connections held", min(0.3, experiment.left / 2))
            record.crowd = pattern(experiment.sights[-1])
            record.bounded = _someone_waits(record.crowd)
            record.refused = bool(found.sight.gone)
            if record.bounded or record.refused:
                break
    experiment.close()
