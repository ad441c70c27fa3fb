"""Where one task serves all clients, that task accepts them, too."""

from threadserver.judge.outcomes import UndeterminedError, WrongError
from threadserver.judge.serving import Serving
from threadserver.judge.trial import Trial

__all__ = ["must_accept_itself"]


def must_accept_itself(server: Trial, serving: Serving) -> None:
    """Expect that the task which was seen to serve all clients accepts the next one, which leaves again.

    Raises WrongError where another one does, UndeterminedError where that was not seen.
    """
    (newcomer,), accepted = server.accepting(lambda: server.hold(1))
    newcomer.close()
    server.settle()
    situation = server.situation()
    for task in set(accepted.by.values()) - serving.workers:
        names = situation.name_of(task), " and ".join(map(situation.name_of, sorted(serving.workers)))
        raise WrongError(f"{names[0]} accepts the clients, and {names[1]} serves them: one task must do both",
                         situation.text())  # fmt: skip
    if accepted.problem:
        raise UndeterminedError(f"Which task accepts could not be traced: {accepted.problem}", situation.text())
