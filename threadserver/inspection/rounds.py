"""The course of an experiment: its rounds, and what each leaves on record for the witnesses.

    baseline    no connection of ours is open
    hold        1, 2, 3 … connections, idle; more until some have to wait, or until it is plain that none will
    speak       something is sent on some while the others stay silent: which tasks answer, run, and wait then?
    close       all are closed: what becomes of the tasks that served them?
    alone       if a loop may keep clients that have been answered: another request, with no other clients
    crowd       if workers stayed: many more connections, in search of an upper limit

Each round is over as soon as the server has come to rest.
"""

import re
import time
from collections import Counter
from contextlib import suppress

from threadserver.inspection.experiment import PATIENCE, Experiment, Sight
from threadserver.inspection.pattern import Holder, Pattern, all_loops, keepers, pattern
from threadserver.inspection.record import Record
from threadserver.inspection.speaking import speak, speak_alone
from threadserver.inspection.subject import Held, Phase
from threadserver.kernel import epoll
from threadserver.kernel.processes import status
from threadserver.kernel.syscalls import EPOLL, LOCK

FEW = (5, 8, 12)
MANY = (*FEW, 16, 24, 32, 40)
CROWD = (64, 96, 128, 160, 200, 256)
CROWDED = 0.3  # seconds to watch connections that have to wait in a crowd
RESERVE = 2.2  # seconds to keep for the rounds after holding
ENDING = 0.5  # seconds to wait for the next worker to end, once the server is at rest
_WORKER = re.compile(rb"^HELLO .*\bworker=(\d+)(?:/(\d+))?", re.MULTILINE)


def conduct(experiment: Experiment) -> Record:
    """Conduct the rounds, and return their record."""
    record = Record(experiment.see("before any connection of ours"))
    _hold(experiment, record, (1, 2, 3))
    if experiment.died or (not record.hold.sight.accepted and not _nudge(experiment, record)):
        return record
    _grow(experiment, record)
    record.alike = _alike(record.hold)
    record.empty_loops = _empty_loops(record.hold.sight)
    record.workers = {one.number: worker for one in experiment.held if (worker := _hello(one))}
    if not experiment.died:
        speak(experiment, record)
    _close(experiment, record)
    return record


def _hold(experiment: Experiment, record: Record, totals: tuple[int, ...]) -> None:
    for total in totals:
        if experiment.died:
            return
        if experiment.left <= 0.3 and record.holds:
            record.hurried = True
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
    """Wait longer if none was accepted, after sending a byte if the kernel waits for one; return whether it helped."""
    words = experiment.speech.request(b"")
    found = record.hold
    if words and any(one.phase is Phase.DEFERRED for one in experiment.held):
        experiment.nudge = words[0][:1]
        experiment.nudge_all()
        found = pattern(experiment.see("one byte sent on each"))
    found = _wait_with_them(experiment, record, found, PATIENCE)
    _note(experiment, record, found.sight)
    return bool(found.sight.accepted)


def _grow(experiment: Experiment, record: Record) -> None:
    """Hold more connections, until some have to wait or it is plain that none will."""
    shared = len(experiment.subject.listeners) > 1  # the kernel deals connections to busy and idle listeners alike
    if record.hold.looped or shared:
        targets: tuple[int, ...] = (8, 16, 24)
    elif _one_process_each(record.hold) and all(record.new_holders.values()):
        targets = FEW
    else:
        targets = MANY
    for total in targets:
        if (not shared and _is_bounded(experiment, record)) or record.refused or experiment.died:
            break
        if experiment.left < RESERVE:
            record.hurried = True
            break
        _hold(experiment, record, (total,))
        record.refused = bool(record.hold.sight.gone)
    _is_bounded(experiment, record)


def _one_process_each(found: Pattern) -> bool:
    return len(found.processes) == len(found.single) > 0


def _is_bounded(experiment: Experiment, record: Record) -> bool:
    """Tell whether connections wait, and go on waiting, while others are served."""
    if not record.bounded and _someone_waits(record.hold):
        found = _wait_with_them(experiment, record, record.hold, PATIENCE)
        record.holds.pop()
        _note(experiment, record, found.sight)
        record.bounded = _someone_waits(found) and found.sight.rested
    return record.bounded


def _wait_with_them(experiment: Experiment, record: Record, found: Pattern, patience: float) -> Pattern:
    """Look again until no connection waits, or until some have waited for ``patience`` seconds at a server at rest."""
    begun = time.monotonic()
    while _someone_waits(found) and not (found.sight.rested and time.monotonic() - begun > patience):
        if experiment.left < 1:
            record.hurried = True
            break
        time.sleep(0.02)
        found = pattern(experiment.see(found.sight.title, 0.1))
    return found


def _someone_waits(found: Pattern) -> bool:
    return bool(found.sight.queued or (found.unwatched and found.single))


def _alike(found: Pattern) -> int:
    """Count idle threads of one name in the loops' processes: a pool's threads are alike, helpers differ."""
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


def _close(experiment: Experiment, record: Record) -> None:
    """Close everything, and see which holders remain; if some do, look for an upper limit."""
    if experiment.died or (record.hold.looped and not record.dedicated):
        return
    if record.dedicated and record.spoken:
        record.stayed = set()
        return
    holders = set(record.hold.holders)
    experiment.close()
    record.stayed = _await_end(experiment, record, holders)
    if record.stayed is None:
        return
    record.fleeting = _fleeting(experiment.sights[-1], record.stayed)
    if record.bounded and record.asked and record.kept() is None and keepers(record.hold):
        speak_alone(experiment, record)
    if record.stayed and not record.bounded and not record.refused and not _one_process_each(record.hold):
        _crowd(experiment, record)


def _await_end(experiment: Experiment, record: Record, holders: set[Holder]) -> set[Holder] | None:
    """Return the holders that remain after closing; None when time ran out before they had come to rest."""
    left, since = set(holders), time.monotonic()
    while True:
        sight = experiment.see("all closed")
        alive = {pid for pid, one in sight.look.processes.items() if one.state not in "ZX"}
        stayed = {
            (pid, tid) for pid, tid in holders if pid in alive and (tid is None or (pid, tid) in sight.look.tasks)
        }
        record.zombies = sight.look.zombies
        if stayed != left:
            left, since = stayed, time.monotonic()
        if not stayed or (sight.rested and time.monotonic() - since > ENDING):
            return stayed
        if experiment.left <= 0:
            record.hurried = True
            return None
        time.sleep(0.02)


def _fleeting(sight: Sight, stayed: set[Holder]) -> bool:
    """Tell from the fourth argument of futex(2), the time-out, whether threads without work will end."""
    tasks = [task for key, task in sight.look.tasks.items() if key in stayed and task.call.name == "futex"]
    return bool(tasks) and sum(task.call.arguments[3] != 0 for task in tasks) * 2 > len(tasks)


def _crowd(experiment: Experiment, record: Record) -> None:
    """Look for the limit of workers that stay: a cache of threads has none."""
    held = len(record.hold.sight.phases)
    for total in (held, *CROWD):
        if total < held:
            continue
        if experiment.left < 0.8:
            record.hurried = True
            break
        experiment.open(total)
        found = pattern(experiment.see(f"{total} connections held"))
        record.crowd = found = _wait_with_them(experiment, record, found, CROWDED)
        record.bounded = _someone_waits(found) and found.sight.rested
        record.refused = bool(found.sight.gone)
        if record.bounded or record.refused:
            break
    experiment.close()
