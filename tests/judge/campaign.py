"""The long form of the judge's own tests: everything that the labs ship, on a quiet and on a busy machine.

python -m tests.judge.campaign [--busy 4] [--repeat 50] [LAB …]
"""

import argparse
import sys

from rich.console import Console

from tests.busy import busy_beside
from threadserver.core.labs import find, labs
from threadserver.judge.selftest import KINDS, Matrix, Reported, selftest

CONSOLE = Console(width=140, highlight=False)


def tell(reported: Reported) -> None:
    """Print each submission with a wrong verdict, as soon as that is known."""
    if reported.differs:
        CONSOLE.print(f"{reported.title}: {reported.differs}", markup=False, soft_wrap=True)


def stage(title: str, *, busy: int, **options: object) -> Matrix:
    """Judge while ``busy`` processes load the machine."""
    CONSOLE.rule(title)
    with busy_beside(busy):
        matrix = selftest(**options, tell=tell)
    CONSOLE.print(matrix.table())
    return matrix


def main() -> None:
    """Run the stages; exit code 1 when any verdict was not the expected one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--busy", type=int, default=4, help="busy processes in the second stage")
    parser.add_argument("--repeat", type=int, default=50, help="how often the solutions are judged in the third stage")
    parser.add_argument("labs", nargs="*", help="labs; all when none is named")
    options = parser.parse_args()
    chosen = [find(name) for name in options.labs] or labs()
    stages = [
        stage("everything", busy=0, labs=chosen, kinds=KINDS),
        stage(f"everything, {options.busy} busy processes beside", busy=options.busy, labs=chosen, kinds=KINDS),
        stage(
            f"the solutions, {options.repeat} times", busy=0, labs=chosen, kinds=("solution",), repeat=options.repeat
        ),
    ]
    sys.exit(1 if any(one.failed for one in stages) else 0)


if __name__ == "__main__":
    main()
