"""The round in which something is said: who answers while the others are silent, who moves, who waits then.

Speaking on a few connections at a time, and more than once, tells a worker from a helper with a timer of its own.
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

MOST_TASKS = 600  # of a server whose tasks' counters are compared
SPOKEN_TO = 4
TRIES = 3
ROUNDS = 3
MOST_ROUNDS = 5  # where tasks were made on this machine each time: a busy machine makes many that do not concern us
ANSWER = 0.5  # seconds that an answer is waited for
STIRRING = (1, 2, 2)  # looks at who moves in silence, as multiples of the time in which something was said
SILENCE = 0.1  # seconds, where the server has answered nothing before


def speak(experiment: Experiment, record: Record) -> None:
    """Ask on some connections while the others stay silent, and see who moves, who answers and who waits then."""
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
    """Give those who wait for the connections that were answered, if nobody else has done anything meanwhile.

    So they sent the answers, and need not be traced: a recv(2) with a time-out that is interrupted by that fails.
    """
    waiting = {task.id for number in record.answered for task in record.hold.sight.watchers(number)}
    moved = set().union(*record.companions)
    counted = len(record.hold.sight.look.tasks) <= MOST_TASKS and not record.hold.looped
    return waiting if counted and waiting and moved <= waiting else None


def speak_alone(experiment: Experiment, record: Record) -> None:
    """Ask on two connections while there are no others; more than once, as long as they are closed after the answer.

    A server that has just had all its workers busy may close what it would keep at other times.
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
        record.alone = pattern(experiment.see("after something was said on them"))
        experiment.close()
        if record.kept() is not False:
            break


def _words(experiment: Experiment, numbers: list[int]) -> tuple[bytes, ...]:
    """Say what may be said on these connections, without what has been said already."""
    heard = {one.number: one.received for one in experiment.held}
    words = experiment.speech.request(heard[numbers[-1]]) if numbers else ()
    return (words[0][len(experiment.nudge) :], *words[1:]) if words else ()


def _moved_on(record: Record) -> bool:
    """Tell whether most of the connections on which something was said have a task of their own now."""
    own = set(record.spoken.single) if record.spoken else set()
    return len(own & set(record.asked)) * 2 > len(record.asked)


def _crew(record: Record) -> int:
    """Count the idle tasks of the kind that was seen to work beside the loops."""
    loops = set(all_loops(record.hold))
    busy = ((record.senders or set()) - loops) or (set().union(*record.companions) - loops)
    idle = {key: task for key, task in record.hold.sight.look.tasks.items() if key not in loops}
    kinds = {_kind(task) for key, task in idle.items() if key in busy}
    return sum(_kind(task) in kinds for task in idle.values())


def _kind(task: Task) -> tuple[str, str]:
    """Say what tasks made alike have in common. Their name is only compared with each other's."""
    name = ""
    with suppress(OSError):
        name = status(task.pid, task.tid).name
    return re.sub(r"\d+", "", name), task.call.name


def _converse(experiment: Experiment, record: Record, talking: list[int], words: tuple[bytes, ...]) -> None:
    """Speak on a few connections at a time, and note which tasks move beside the loops each time.

    A task that moves by a timer of its own will not move every time, or it moves in silence, too.
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
        record.spoken = pattern(experiment.see("after something was said"))
        record.companions.append(_moved(experiment, before) - loops)
        record.births.append(newest() != last)
        longest = max(longest, time.monotonic() - begun)
    if record.hold.looped and all(record.companions):
        noise = _stirring(experiment, longest, set().union(*record.companions))
        record.companions = [moved - noise for moved in record.companions]
    if not all(record.companions):
        record.companions = []  # once the loop did without anyone else


def _moved(experiment: Experiment, before: dict[TaskId, int]) -> set[TaskId]:
    """Give the tasks that have slept since, and therefore have done something."""
    after = experiment.counters() if before else {}
    return {key for key, count in after.items() if count != before.get(key)}


def _stirring(experiment: Experiment, seconds: float, suspects: set[TaskId]) -> set[TaskId]:
    """Those of the suspects that move although nothing is said: by timers, for housekeeping.

    Who worked may still wait a moment for more from its client. So whoever moves is looked at again, and longer: a
    timer that runs as often as something was said runs every time.
    """
    for window in STIRRING:
        before = experiment.counters()
        time.sleep(min(window * max(seconds, 0.05), max(experiment.left / 4, 0)))
        suspects = suspects & _moved(experiment, before)
        if not suspects:
            break
    return suspects


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
    if record.hold.looped or record.suspect:  # workers may be made with the first request; others may answer
        return True
    return len(record.hold.processes) < len(record.hold.single) and (
        record.bounded or not all(record.new_holders.values())
    )


def _trace(experiment: Experiment, record: Record, words: tuple[bytes, ...]) -> None:
    """Watch who reads and who sends, for a moment, on connections that are still open."""
    untold = [number for number in record.hold.sight.accepted if number not in record.asked]
    still = [number for number in record.asked if record.spoken and number in record.spoken.sight.accepted]
    numbers = (untold or still)[:SPOKEN_TO]
    inodes = {one.inode for one in experiment.held if one.number in numbers}
    pids = [pid for pid, one in record.hold.sight.look.processes.items() if one.state != "Z"]
    if experiment.left < 0.5:
        record.hurried = True
    with tracing.senders(pids, inodes, experiment.left, _channels(experiment)) as traced:
        if traced.ready:
            for word in words:  # each call is stopped twice by the trace, so an answer may take long
                experiment.ask(numbers, word, max(ANSWER, experiment.left / 3) if record.answered else SILENCE)
            experiment.see("while traced")
    _learn(record, traced)


def _learn(record: Record, traced: tracing.Trace) -> None:
    loops = set(all_loops(record.hold))
    record.trace, record.woken = traced.problem, traced.woken > 0
    if traced.senders is not None:
        record.births.append(traced.born)
        # A loop that only reads may leave the answer, if there is one, to others: that shows nothing.
        record.senders = traced.senders | (traced.handed - loops) if traced.sent else traced.senders - loops
        record.trace = "" if record.senders else "nothing was answered"


def _channels(experiment: Experiment) -> frozenset[int]:
    """Give the local sockets that have a name at neither end: pairs, by which tasks of one server wake each other."""
    found = {one.inode: one for one in experiment.subject.tables.locals() if not one.listens}
    return frozenset(
        inode
        for inode, one in found.items()
        if not one.source and one.peer_inode in found and not found[one.peer_inode].source
    )
