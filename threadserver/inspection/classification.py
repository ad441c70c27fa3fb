"""The concurrency model that a running server uses, found by experiment, with the evidence."""

from threadserver.core.address import Address
from threadserver.core.errors import KitError
from threadserver.core.plurals import count
from threadserver.inspection.experiment import experiment
from threadserver.inspection.rounds import conduct
from threadserver.inspection.rules import judge
from threadserver.inspection.speech import Speech
from threadserver.inspection.subject import subject
from threadserver.inspection.verdict import Verdict
from threadserver.kernel.namespaces import Network
from threadserver.kernel.sockets import Tables

TIME_LIMIT = 5.0
"""How long an experiment may take, in seconds."""


def classify(
    address: Address,
    speech: Speech | None = None,
    *,
    pid: int | None = None,
    keeper: int | None = None,
    time_limit: float = TIME_LIMIT,
) -> Verdict:
    """Examine the server at an address. ``pid`` is any process in its network namespace, None when that is ours.

    ``keeper`` is the process that started the server, if we did. ``time_limit`` is in seconds. Raises KitError when
    there is no server, when we lack permission to inspect it, or when it ends during the experiment.
    """
    with Network(pid) as network, Tables(network) as tables:
        examined = subject(address, network, tables, keeper)
        with experiment(examined, speech or Speech(), time_limit) as running:
            record = conduct(running)
    if running.died:
        held = count(running.most, "connection was", "connections were")
        raise KitError(f"the server at {address} ended while {held} held")
    return judge(record)
