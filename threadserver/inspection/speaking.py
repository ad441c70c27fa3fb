"""The round in which something is sent: which tasks answer, run and wait while the other clients are silent.

Sending on a few connections at a time, and more than once, tells a worker from a helper with a timer of its own.
"""

import re
import time
from contextlib import suppress

from threadserver.inspection.experiment import Experiment
from threadserver.inspection.pattern import all_loops, pattern
from threadserver.inspection.record import Record
from threadserver.kernel import tracing
from threadserver.kernel.processes import newest, status
from threadserver.kernel.task import Task, TaskId

MOST_TASKS = 600  # of a server; with more, the tasks' counters are not compared
SPOKEN_TO = 4
TRIES = 3
ROUNDS = 3
MOST_ROUNDS = 5  # if a task was made on this machine each time: on a busy machine, other programs make many
ANSWER = 0.5  # seconds to wait for an answer
STIRRING = (1, 2, 2)  # how long to watch in silence, as multiples of the longest exchange
SILENCE = 0.1  # seconds to wait for an answer from a server that has answered nothing before


def speak(experiment: Experiment, record: Record) -> None:
    """Send requests on some connections while the others stay silent, and record which tasks run, answer and wait."""
    served = set(record.hold.single) | record.hold.in_loops
    talking = [number for number in record.hold.sight.accepted if number in served or not served]
    words = _words(experiment, talking)
    if not words or not _worth_asking(experiment, record):
        return
    if experiment.left < 0.5:
        record.hurried = True
        return
    _converse(experiment, record, talking, words)
    if record.hold.looped and _moved_on(record) and experiment.left > 1:
        rest = [number for number in record.hold.sight.accepted if number not in record.asked]
        _dedicate(experiment, record, rest, words)
    elif (record.hold.looped and (record.companions or record.short_lived)) or record.hold.doubtful or record.suspect:
        record.senders = _only_they_moved(record)
        if not record.senders:
            _trace(experiment, record, words)
    record.crew = _crew(record)


def _only_they_moved(record: Record) -> set[TaskId] | None:
    """Return the tasks that wait for the answered connections, if no other task has run in the meantime.

    Then they sent the answers, and tracing is unnecessary: it would interrupt a recv(2) with a time-out, which fails.
    """
    waiting = {task.id for number in record.answered for task in record.hold.sight.watchers(number)}
    moved = set().union(*record.companions)
    counted = len(record.hold.sight.look.tasks) <= MOST_TASKS and not record.hold.looped
    return waiting if counted and waiting and moved <= waiting else None


def speak_alone(experiment: Experiment, record: Record) -> None:
    """Send a request on two connections while there are no others; try again if they are closed after the answer.

    A server whose workers were all busy until now may close connections that it would keep at other times.
    """
    for _ in range(TRIES):
        if experiment.left < 0.5:
            record.hurried = True
            break
        experiment.open(2)
        sight = experiment.see("2 connections held, no others")
        record.alone_answered = []
        for word in _words(experiment, sight.accepted):
            record.alone_answered = experiment.ask(sight.accepted, word, ANSWER)
        record.alone = pattern(experiment.see("after something was sent on them"))
        experiment.close()
        if record.kept() is not False:
            break


def _words(experiment: Experiment, numbers: list[int]) -> tuple[bytes, ...]:
    """Return what may be sent on these connections, without the byte that was sent already."""
    heard = {one.number: one.received for one in experiment.held}
    words = experiment.speech.request(heard[numbers[-1]]) if numbers else ()
    return (words[0][len(experiment.nudge) :], *words[1:]) if words else ()


def _moved_on(record: Record) -> bool:
    """Tell whether most of the connections on which something was sent now have a task of their own."""
    own = set(record.spoken.single) if record.spoken else set()
    return len(own & set(record.asked)) * 2 > len(record.asked)


def _crew(record: Record) -> int:
    """Count the idle tasks of the kind that was seen working beside the loops."""
    loops = set(all_loops(record.hold))
    busy = ((record.senders or set()) - loops) or (set().union(*record.companions) - loops)
    idle = {key: task for key, task in record.hold.sight.look.tasks.items() if key not in loops}
    kinds = {_kind(task) for key, task in idle.items() if key in busy}
    return sum(_kind(task) in kinds for task in idle.values())


def _kind(task: Task) -> tuple[str, str]:
    """Return what tasks made alike have in common. The names are only compared with each other."""
    name = ""
    with suppress(OSError):
        name = status(task.pid, task.tid).name
    return re.sub(r"\d+", "", name), task.call.name


def _converse(experiment: Experiment, record: Record, talking: list[int], words: tuple[bytes, ...]) -> None:
    """Send something on a few connections at a time, and note which tasks run beside the loops each time.

    A task that a timer of its own wakes will not run every time, or it also runs in silence.
    """
    loops = set(all_loops(record.hold))
    counted = len(record.hold.sight.look.tasks) <= MOST_TASKS
    longest = 0.0
    for turn in range(MOST_ROUNDS if record.hold.looped and counted else 1):
        now = [number for number in talking if number not in record.asked][-SPOKEN_TO:]
        if not now or experiment.left < 0.3 or (turn >= ROUNDS and not record.short_lived) or _moved_on(record):
            break
        before, last, begun = experiment.counters() if counted else {}, newest(), time.monotonic()
        for word in words:
            patience = ANSWER if record.answered or not record.asked else SILENCE
            record.answered += experiment.ask(now, word, patience)
        record.asked += now
        record.spoken = pattern(experiment.see("after something was sent"))
        record.companions.append(_moved(experiment, before) - loops)
        record.births.append(newest() != last)
        longest = max(longest, time.monotonic() - begun)
    if record.hold.looped and all(record.companions):
        noise = _stirring(experiment, longest, set().union(*record.companions))
        record.companions = [moved - noise for moved in record.companions]
    if not all(record.companions):
        record.companions = []  # once, the loop needed no other task


def _moved(experiment: Experiment, before: dict[TaskId, int]) -> set[TaskId]:
    """Return the tasks that have gone to sleep since, and so have run."""
    after = experiment.counters() if before else {}
    return {key for key, count in after.items() if count != before.get(key)}


def _stirring(experiment: Experiment, seconds: float, suspects: set[TaskId]) -> set[TaskId]:
    """Return the suspects that run although nothing is sent: by timers, for housekeeping.

    A worker may still wait a moment for more from its client. So tasks that run are watched again, and for longer: a
    timer that went off in every exchange goes off every time here, too.
    """
    for window in STIRRING:
        before = experiment.counters()
        time.sleep(min(window * max(seconds, 0.05), max(experiment.left / 4, 0)))
        suspects = suspects & _moved(experiment, before)
        if not suspects:
            break
    return suspects


def _dedicate(experiment: Experiment, record: Record, numbers: list[int], words: tuple[bytes, ...]) -> None:
    """Send something on the remaining connections, since each that sends its first bytes gets a task of its own."""
    known = set(record.hold.sight.look.tasks) | set(record.baseline.look.tasks)
    for word in words:
        experiment.ask(numbers, word, SILENCE)
    record.spoken = pattern(experiment.see("after something was sent on all"))
    record.dedicated = len(record.spoken.single)
    record.made = all((pid, tid) not in known for pid, tid in record.spoken.holders)


def _worth_asking(experiment: Experiment, record: Record) -> bool:
    """Tell whether to send a request: always if the user or the greeting allows it, else only if it is decisive."""
    if experiment.speech.protocol != "auto" or record.workers:
        return True
    if record.hold.looped or record.suspect:  # workers may be made with the first request; others may answer
        return True
    return len(record.hold.processes) < len(record.hold.single) and (
        record.bounded or not all(record.new_holders.values())
    )


def _trace(experiment: Experiment, record: Record, words: tuple[bytes, ...]) -> None:
    """Trace briefly which tasks read and which send, on connections that are still open."""
    untold = [number for number in record.hold.sight.accepted if number not in record.asked]
    still = [number for number in record.asked if record.spoken and number in record.spoken.sight.accepted]
    numbers = (untold or still)[:SPOKEN_TO]
    inodes = {one.inode for one in experiment.held if one.number in numbers}
    pids = [pid for pid, one in record.hold.sight.look.processes.items() if one.alive]
    if experiment.left < 0.5:
        record.hurried = True
    with tracing.senders(pids, inodes, experiment.left, _channels(experiment)) as traced:
        if traced.ready:
            for word in words:  # the trace stops each call twice, so an answer may take long
                experiment.ask(numbers, word, max(ANSWER, experiment.left / 3) if record.answered else SILENCE)
            experiment.see("while traced")
    _learn(record, traced)


def _learn(record: Record, traced: tracing.Trace) -> None:
    loops = set(all_loops(record.hold))
    record.trace, record.woken = traced.problem, traced.woken > 0
    if traced.senders is not None:
        record.births.append(traced.born)
        # A loop that only reads may leave the answer to other tasks, so reading proves nothing.
        record.senders = traced.senders | (traced.handed - loops) if traced.sent else traced.senders - loops
        record.trace = "" if record.senders else "there was no answer"


def _channels(experiment: Experiment) -> frozenset[int]:
    """Return the local sockets with no name at either end: pairs, by which tasks of one server wake each other."""
    found = {one.inode: one for one in experiment.subject.tables.locals() if not one.listens}
    return frozenset(
        inode
        for inode, one in found.items()
        if not one.source and one.peer_inode in found and not found[one.peer_inode].source
    )
