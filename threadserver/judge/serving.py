"""Which task serves which client: four independent witnesses, and what follows from them together.

While some clients are held, all confirmed and silent, the witnesses are:

    works     each client asks something: which task reads its line and sends its answer? Traced if that is allowed;
              otherwise the task whose counters move, because a task that only pretends to serve does not move
    waits     which task is blocked in a call that waits until the connection can be read (peeking does not count)
    counts    how many tasks and processes have been created since before the clients came
    hello     which task HELLO named, looked up in the kernel's tables

Each witness says which models it allows. A model is proved when `works`, traced, and one other witness allow it, none
contradicts it, and no other task is needed for the answers (`taking_part`). It is disproved when `works`, `waits` or
`hello` contradict it, or when others are needed. Everything else is *undetermined*: counters alone prove nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from threadserver.judge.outcomes import UndeterminedError, WrongError
from threadserver.judge.situation import Situation
from threadserver.judge.transcript import counted
from threadserver.kernel.task import TaskId
from threadserver.kernel.testimony import Model, Testimony

SERVED_BY = {
    Model.THREADS: "each client has a new thread of its own, in one process",
    Model.FORKS: "each client has a new process of its own",
    Model.POOL: "a bounded set of threads in one process serves the clients, 1 client per thread at a time",
    Model.PREFORK: "a bounded set of processes serves the clients, 1 client per process at a time",
    Model.LOOP: "one task serves all clients and waits for all of them at once",
    Model.LOOPS: "several tasks each serve, and wait for, many clients",
    Model.ITERATIVE: "one task serves one client after another",
}

Tasks = dict[int, frozenset[TaskId]]
"""Tasks by the judge's number of a client."""


@dataclass(frozen=True, slots=True)
class TakingPart:
    """Whether tasks other than those that answer take part. ``seen`` is proved, ``doubt`` needs a person."""

    seen: str = ""
    doubt: str = ""


MOST = 0.6
"""The share of the clients for which something must be seen."""
NOBODY_ELSE = TakingPart()


@dataclass(frozen=True, slots=True)
class Serving:
    """What was seen while these clients were held."""

    before: Tasks
    """The tasks that existed before each of the clients came."""
    works: Tasks
    reads: Tasks
    made: Tasks
    """The tasks that were made between each client's line and its answer."""
    untraced: str
    """Why the system calls could not be traced; empty if they were."""
    blind: str
    """Why the trace may have missed reads and sends."""
    waits: Tasks
    hello: Tasks
    situation: Situation
    others: TakingPart = NOBODY_ELSE
    done: frozenset[TaskId] = frozenset()
    """The tasks created for a line that were no longer waiting when it was answered, and soon ended."""
    one_memory: bool = False
    """True when processes that answer share their memory."""
    model: str = ""
    """The lab's model: `must_be` expects it unless it is given others."""

    @classmethod
    def one_after_another(cls, seen: Sequence["Serving"]) -> "Serving":
        """Combine what was seen of clients that came one after another."""
        return replace(
            seen[-1],
            before=_together(one.before for one in seen),
            works=_together(one.works for one in seen),
            reads=_together(one.reads for one in seen),
            made=_together(one.made for one in seen),
            others=next((one.others for one in seen if one.others.seen), seen[-1].others),
            waits=_together(one.waits for one in seen),
            hello=_together(one.hello for one in seen),
        )

    def testimony(self, *, mixed: bool = False) -> list[Testimony]:
        """Return what the witnesses say; ``mixed`` allows workers that are threads of several processes."""
        found = [self._works(mixed=mixed), self._waits(mixed=mixed), self._counts(), self._hello(mixed=mixed)]
        return [one for one in found if one]

    def must_be(self, *models: str) -> None:
        """Expect that one of these models is proved; without any, the model that ``lab.toml`` names.

        Raises WrongError if they are disproved, UndeterminedError if they are neither proved nor disproved, and
        ValueError if no model is named.
        """
        models = models or (Model(self.model),)
        said = self.testimony(mixed={Model.POOL, Model.PREFORK} <= set(models))
        against = [one for one in said if not one.allows & set(models)]
        evidence = "\n".join(f"{one.name}: {one.evidence}" for one in said) + f"\n{self.situation.text()}"
        decisive = [one for one in against if one.name != "counts"]
        seen = decisive[0].evidence if decisive else self._others_answer(models)
        if seen:
            wanted = " or ".join(SERVED_BY[Model(model)] for model in models)
            raise WrongError(f"Expected: {wanted}. Seen: {seen}", evidence)
        if doubt := self._doubt(agreed=not against and len(said) > 1):
            raise UndeterminedError(doubt, evidence)

    def _others_answer(self, models: Sequence[str]) -> str:
        """Say which other tasks take part in the answers, if that was seen."""
        if self.untraced:
            return ""
        waiters = set().union(*self.waits.values())
        if waiters and not waiters & self.workers and {Model.LOOP, Model.ITERATIVE} >= set(models):
            return "one task waits, and another sends the answers"
        for number in sorted(self.works.keys() & self.reads.keys()):
            if self.reads[number] != self.works[number]:
                return (
                    f"the line of client {number} is read by {self._names(self.reads[number])}, "
                    f"but answered by {self._names(self.works[number])}"
                )
        if self.one_memory and {Model.FORKS, Model.PREFORK} & set(models):
            return "processes that share one memory (clone() with CLONE_VM): they are threads by another name"
        return self._makes_for_each_line(models) or self.others.seen

    def _makes_for_each_line(self, models: Sequence[str]) -> str:
        """Say that a task is created for every line.

        If each client has a thread anyway, a new thread may be just a timer.
        """
        own = {pid for pid, _ in self.workers}
        alone = {Model.LOOP, Model.LOOPS, Model.ITERATIVE} >= set(models)
        made = [{task for task in tasks if alone or task[0] not in own} for tasks in self.made.values()]
        if sum(map(bool, made)) < MOST * len(self.before):
            return ""
        what = "process" if any(task[0] not in own for tasks in made for task in tasks) else "thread"
        return f"a new {what} is created for every line, before it is answered"

    def _doubt(self, *, agreed: bool) -> str:
        """Return why the model is not proved; empty if it is. Counters alone never prove one."""
        if self.untraced:
            return f"The model could not be proved because system calls cannot be traced here: {self.untraced}"
        blind = f": {self.blind}" if self.blind else ""
        if len(self.works) < len(self.before):
            return f"Answers came, but no task of your server was seen to send them{blind}"
        if len(self.reads) < len(self.before):
            return f"Answers came, but no task of your server was seen to read the lines{blind}"
        if self.others.doubt:
            return self.others.doubt
        if sum(bool(tasks & self.done) for tasks in self.made.values()) >= MOST * len(self.before):
            return "A new thread is created for every line and soon ends: perhaps it computes the answer"
        return "" if agreed else "The witnesses do not agree on which task serves the clients"

    def _names(self, tasks: frozenset[TaskId]) -> str:
        return " and ".join(self.situation.name_of(task) for task in sorted(tasks))

    @property
    def workers(self) -> set[TaskId]:
        """Every task that answered any of the clients."""
        return set().union(*self.works.values())

    def _works(self, *, mixed: bool) -> Testimony | None:
        if len(self.works) < len(self.before):
            return None
        how = "by the counters of each task" if self.untraced else "traced"
        new = {number: not self.works[number] & known for number, known in self.before.items()}
        several = [number for number, tasks in self.works.items() if len(tasks) > 1]
        if several and not self.untraced:
            names = self._names(self.works[several[0]])
            return Testimony("works", frozenset(), f"client {several[0]} was answered by {names} together (traced)")
        return _shape("works", self.works, "were answered", f" ({how})", new, mixed=mixed)

    def _waits(self, *, mixed: bool) -> Testimony | None:
        if self.situation.look.hidden or len(self.waits) < len(self.before):
            return None
        return _shape("waits", self.waits, "are waited for", mixed=mixed)

    def _hello(self, *, mixed: bool) -> Testimony | None:
        if len(self.hello) < len(self.before):
            return None
        return _shape("hello", self.hello, "were greeted", " (worker= in HELLO)", mixed=mixed)

    def _counts(self) -> Testimony:
        look = self.situation.look
        before = self.before[min(self.before)]
        tasks = len(look.tasks.keys() - before)
        living = {pid for pid, one in look.processes.items() if one.alive}
        processes = len(living - {pid for pid, _ in before})
        held = len(self.before)
        evidence = (
            f"{counted(held, 'client')} held; {counted(tasks, 'task')} and {counted(processes, 'process')} "
            "created since they came"
        )
        if tasks < held / 2:
            allows = {Model.LOOP, Model.LOOPS, Model.ITERATIVE, Model.POOL, Model.PREFORK}
        elif processes < held / 2:
            allows = {Model.THREADS, Model.POOL}
        else:
            allows = {Model.FORKS, Model.PREFORK}
        return Testimony("counts", frozenset(allows), evidence)


def _shape(
    name: str, by_client: Tasks, what: str, how: str = "", new: dict[int, bool] | None = None, *, mixed: bool = False
) -> Testimony:
    """Return the models that assign clients to tasks in this way; ``how`` it was seen ends the evidence."""
    all_tasks = set().union(*by_client.values())
    processes = {pid for pid, _ in all_tasks}
    shared = set.intersection(*map(set, by_client.values())) if len(by_client) > 1 else set()
    total = len(by_client)
    if shared:
        seen = f"all {total} clients {what} by one task{how}"
        return Testimony(name, frozenset({Model.LOOP, Model.ITERATIVE}), seen)
    alone = len(all_tasks) >= total and _one_each(by_client)
    if not alone:
        seen = f"{total} clients {what} by {counted(len(all_tasks), 'task')}, several of them by the same one{how}"
        return Testimony(name, frozenset({Model.LOOPS}), seen)
    kind = "processes" if len(processes) == total else "threads"
    allows = {Model.FORKS, Model.PREFORK} if kind == "processes" else {Model.THREADS, Model.POOL}
    evidence = f"{total} clients {what} by {total} {kind}"
    if len(processes) not in {1, total}:
        evidence += f" of {len(processes)} processes"
        allows = {Model.POOL, Model.PREFORK} if mixed else set()
    if new is not None:
        made = sum(new.values())
        allows &= {Model.THREADS, Model.FORKS} if made == total else {Model.POOL, Model.PREFORK}
        evidence += f", {'all' if made == total else made or 'none'} of them created after their clients came"
    return Testimony(name, frozenset(allows), evidence + how)


def _one_each(by_client: Tasks) -> bool:
    """Return whether each client can be assigned a different task among those that were seen with it."""
    taken: set[TaskId] = set()
    for tasks in sorted(by_client.values(), key=len):
        free = tasks - taken
        if not free:
            return False
        taken.add(min(free))
    return True


def without_bystanders(moved: Tasks) -> Tasks:
    """Leave out tasks that moved for most of the clients (a timer, a logger), unless no other task did."""
    often = {task for task in _all(moved) if sum(task in tasks for tasks in moved.values()) * 2 > len(moved)}
    own = {number: tasks - often for number, tasks in moved.items()}
    return own if all(own.values()) else {number: frozenset(often) for number in moved}


def _together(parts: Iterable[Tasks]) -> Tasks:
    return {number: tasks for part in parts for number, tasks in part.items()}


def _all(tasks: Tasks) -> Iterable[TaskId]:
    return set().union(*tasks.values())
