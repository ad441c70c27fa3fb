"""Which concurrency model does a running server use? The answer of an experiment, with its evidence."""

from threadserver.core.address import Address
from threadserver.core.errors import KitError
from threadserver.inspection.experiment import experiment
from threadserver.inspection.rounds import conduct
from threadserver.inspection.rules import judge
from threadserver.inspection.speech import Speech
from threadserver.inspection.subject import subject
from threadserver.inspection.verdict import Verdict
from threadserver.kernel.namespaces import Network
from threadserver.kernel.sockets import Tables

TIME_LIMIT = 5.0
"""Seconds that an experiment may take."""


def classify(
    address: Address,
    speech: Speech | None = None,
    *,
    pid: int | None = None,
    keeper: int | None = None,
    time_limit: float = TIME_LIMIT,
) -> Verdict:
    """Examine the server of an address. ``pid`` is any process in its network namespace, None when that is ours.

    ``keeper`` is the process that started the server, where that was us. Raises KitError when there is no server, when
    it may not be looked at, or when it ends meanwhile.
    """
    with Network(pid) as network, Tables(network) as tables:
        examined = subject(address, network, tables, keeper)
        with experiment(examined, speech or Speech(), time_limit) as running:
            record = conduct(running)
    if running.died:
        raise KitError(f"the server at {address} ended while {running.most} connections were held")
    return judge(record)
