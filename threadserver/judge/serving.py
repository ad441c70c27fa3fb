"""Who serves which client: four witnesses, each on its own, and what follows when they are heard together.

While a number of clients is held, all confirmed and silent,

    works     each is asked in turn: which task sent its answer? Traced where that is allowed (strace), else the task
              whose counters moved; a task that only looks as if it served does not move
    waits     which task is blocked in a call that waits for its connection (those that only peek do not count)
    counts    how many tasks and processes are there that were not there before the clients came
    hello     which task HELLO named, looked up in the kernel's tables

Each says which models it allows. A model is proved when `works`, the one that no decoy can play, and another allow it
and none speaks against it. It is disproved when `works`, `waits` or `hello` speak against it. All else is
*undetermined*.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from threadserver.judge.outcomes import UndeterminedError, WrongError
from threadserver.judge.situation import Situation
from threadserver.kernel.task import TaskId
from threadserver.kernel.testimony import Model, Testimony

SERVED_BY = {
    Model.THREADS: "each client has a new thread of its own, in one process",
    Model.FORKS: "each client has a process of its own, made for it",
    Model.POOL: "threads of one process, as many as there are and the same again and again, serve a client each",
    Model.PREFORK: "processes, as many as there are and the same again and again, serve a client each",
    Model.LOOP: "one task serves all clients and waits for all of them at once",
    Model.LOOPS: "several tasks, as many as there are, serve and wait for many clients each",
    Model.ITERATIVE: "one task serves one client after the other",
}

Tasks = dict[int, frozenset[TaskId]]
"""By the judge's number of a client."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What was seen while these clients were held."""

    before: Tasks
    """The tasks that were there before each of the clients came."""
    works: Tasks
    traced: bool
    waits: Tasks
    hello: Tasks
    situation: Situation
    model: str = ""
    """The lab's model: `must_be` expects it unless it is told others."""

    @classmethod
    def one_after_another(cls, seen: Sequence["Serving"]) -> "Serving":
        """Put together what was seen of clients, each held when the one before had gone."""
        return replace(
            seen[-1],
            before=_together(one.before for one in seen),
            works=_together(one.works for one in seen),
            waits=_together(one.waits for one in seen),
            hello=_together(one.hello for one in seen),
        )

    def testimony(self) -> list[Testimony]:
        """Hear the witnesses."""
        found = [self._works(), self._waits(), self._counts(), self._hello()]
        return [one for one in found if one]

    def must_be(self, *models: str) -> None:
        """Fail unless one of these models is proved; without any, the model that ``lab.toml`` names.

        Raises WrongError where it is disproved, UndeterminedError where neither is, ValueError where nothing is named.
        """
        models = models or (Model(self.model),)
        said = self.testimony()
        against = [one for one in said if not one.allows & set(models)]
        evidence = "\n".join(f"{one.name}: {one.evidence}" for one in said) + f"\n{self.situation.text()}"
        decisive = [one for one in against if one.name != "counts"]
        if decisive:
            wanted = " or ".join(SERVED_BY[Model(model)] for model in models)
            raise WrongError(f"Expected: {wanted}. Seen: {decisive[0].evidence}", evidence)
        if self._others_answer() and {Model.LOOP, Model.ITERATIVE} >= set(models):
            raise WrongError(f"Expected: {SERVED_BY[Model(models[0])]}. Seen: one task waits, and another sends the "
                             "answers", evidence)  # fmt: skip
        if against or len(said) < 2 or said[0].name != "works":
            raise UndeterminedError("The witnesses do not agree on who serves the clients", evidence)

    def _others_answer(self) -> bool:
        """Tell whether somebody else was seen to send the answers than who waits for the clients."""
        waiters = set().union(*self.waits.values())
        return self.traced and bool(waiters) and not waiters & self.workers

    @property
    def workers(self) -> set[TaskId]:
        """Every task that answered one of the clients."""
        return set().union(*self.works.values())

    def _works(self) -> Testimony | None:
        if len(self.works) < len(self.before):
            return None
        how = "traced" if self.traced else "by the counters of each task"
        new = {number: bool(self.works[number] - known) for number, known in self.before.items()}
        return _shape("works", self.works, f"were answered ({how})", new)

    def _waits(self) -> Testimony | None:
        if self.situation.look.hidden or len(self.waits) < len(self.before):
            return None
        return _shape("waits", self.waits, "are waited for")

    def _hello(self) -> Testimony | None:
        if len(self.hello) < len(self.before):
            return None
        return _shape("hello", self.hello, "were greeted, HELLO says,")

    def _counts(self) -> Testimony:
        look = self.situation.look
        before = self.before[min(self.before)]
        tasks = len(look.tasks.keys() - before)
        living = {pid for pid, one in look.processes.items() if one.state != "Z"}
        processes = len(living - {pid for pid, _ in before})
        held = len(self.before)
        evidence = f"{held} clients are held; {tasks} tasks and {processes} processes were made since they came"
        if tasks < held / 2:
            allows = {Model.LOOP, Model.LOOPS, Model.ITERATIVE, Model.POOL, Model.PREFORK}
        elif processes < held / 2:
            allows = {Model.THREADS, Model.POOL}
        else:
            allows = {Model.FORKS, Model.PREFORK}
        return Testimony("counts", frozenset(allows), evidence)


def _shape(name: str, by_client: Tasks, what: str, new: dict[int, bool] | None = None) -> Testimony:
    """Tell the models that give clients to tasks in this way."""
    everybody = set().union(*by_client.values())
    processes = {pid for pid, _ in everybody}
    shared = set.intersection(*map(set, by_client.values())) if len(by_client) > 1 else set()
    total = len(by_client)
    if shared:
        return Testimony(name, frozenset({Model.LOOP, Model.ITERATIVE}), f"all {total} clients {what} by one task")
    alone = len(everybody) >= total and _one_each(by_client)
    if not alone:
        seen = f"{total} clients {what} by {len(everybody)} tasks, several of them by one"
        return Testimony(name, frozenset({Model.LOOPS}), seen)
    kind = "processes" if len(processes) == total else "threads"
    allows = {Model.FORKS, Model.PREFORK} if kind == "processes" else {Model.THREADS, Model.POOL}
    if len(processes) not in {1, total}:
        return Testimony(
            name, frozenset(), f"{total} clients {what} by {len(everybody)} tasks of {len(processes)} processes"
        )
    evidence = f"{total} clients {what} by {total} {kind}"
    if new is not None:
        made = sum(new.values())
        allows &= {Model.THREADS, Model.FORKS} if made == total else {Model.POOL, Model.PREFORK}
        evidence += f", {'all' if made == total else made or 'none'} of them made after their client had come"
    return Testimony(name, frozenset(allows), evidence)


def _one_each(by_client: Tasks) -> bool:
    """Tell whether every client can be given a task of its own among those that were seen with it."""
    taken: set[TaskId] = set()
    for tasks in sorted(by_client.values(), key=len):
        free = tasks - taken
        if not free:
            return False
        taken.add(min(free))
    return True


def without_bystanders(moved: Tasks) -> Tasks:
    """Leave out the tasks that moved for most of the clients, unless nobody else did: a timer, a logger."""
    often = {task for task in _all(moved) if sum(task in tasks for tasks in moved.values()) * 2 > len(moved)}
    own = {number: tasks - often for number, tasks in moved.items()}
    return own if all(own.values()) else {number: frozenset(often) for number in moved}


def _together(parts: Iterable[Tasks]) -> Tasks:
    return {number: tasks for part in parts for number, tasks in part.items()}


def _all(tasks: Tasks) -> Iterable[TaskId]:
    return set().union(*tasks.values())
