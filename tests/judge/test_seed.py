"""Everything drawn in a verdict comes from its seed: the same seed asks the same questions."""

from collections.abc import Callable
from pathlib import Path

from threadserver.core.labs import Lab
from threadserver.judge import asking

SERVER = """
import socket, sys, time
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
time.sleep(60)
"""

RUBRIC = """
from threadserver.judge import points

@points(1, "draws")
def test_first(server):
    assert False, f"{server.address.host} {server.random.random()}"

@points(1, "draws, too")
def test_second(server):
    assert False, f"{server.address.host} {server.random.random()}"
"""


def drawn(lab: Lab, folder: Path, **options: object) -> dict[str, str]:
    return {one.name: one.message for one in asking.check(lab, folder, **options).checks}  # type: ignore[arg-type]


def test_the_same_seed_draws_the_same(make_lab: Callable[..., Lab], submission: Callable[..., Path]) -> None:
    lab, folder = make_lab(RUBRIC), submission(server_py=SERVER)
    first = asking.check(lab, folder)
    again = drawn(lab, folder, seed=first.seed)
    assert {one.name: one.message for one in first.checks} == again
    assert again["first"] != again["second"]


def test_a_check_draws_the_same_alone_and_among_others(
    make_lab: Callable[..., Lab], submission: Callable[..., Path]
) -> None:
    lab, folder = make_lab(RUBRIC), submission(server_py=SERVER)
    assert drawn(lab, folder, seed=7)["second"] == drawn(lab, folder, seed=7, only=["second"])["second"]


def test_without_a_seed_one_is_drawn_and_reported(
    make_lab: Callable[..., Lab], submission: Callable[..., Path]
) -> None:
    lab, folder = make_lab(RUBRIC), submission(server_py=SERVER)
    one, other = asking.check(lab, folder), asking.check(lab, folder)
    assert one.seed != other.seed
    assert one.as_json()["seed"] == one.seed
    assert one.checks[0].message != other.checks[0].message
