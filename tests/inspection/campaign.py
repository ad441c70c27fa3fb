"""The long form of the classification tests: every server N times, alone or beside busy processes.

python -m tests.inspection.campaign [-n 20] [--busy 2] [--time-limit 60] [--at-once 4] [NAME …]
"""

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.busy import busy_beside
from tests.inspection.catalogue import ELSEWHERE, IN_C, OWN, SERVERS, Known, examine, missed
from threadserver.core.errors import KitError
from threadserver.inspection.classification import TIME_LIMIT


def once(known: Known, time_limit: float) -> str:
    """Classify once; return what is wrong, an empty text when nothing is."""
    try:
        return missed(known, examine(known, time_limit))
    except KitError as error:
        return str(error)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=20, help="experiments with each server")
    parser.add_argument("--busy", type=int, default=0, help="number of busy processes beside it")
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT, help="seconds for each experiment")
    parser.add_argument("--at-once", type=int, default=1, help="experiments with one server side by side, a load too")
    parser.add_argument("names", nargs="*", help="servers in tests/inspection/catalogue.py; all if none is named")
    options = parser.parse_args()
    chosen = [
        known for known in (*SERVERS, *OWN, *ELSEWHERE, *IN_C) if not options.names or known.name in options.names
    ]
    wrong = 0
    with busy_beside(options.busy):
        for known in chosen:
            begun = time.monotonic()
            with ThreadPoolExecutor(options.at_once) as at_once:
                results = Counter(at_once.map(once, [known] * options.n, [options.time_limit] * options.n))
            seconds = (time.monotonic() - begun) / options.n
            print(f"{known.name:28} {known.model:24} {results['']:3} of {options.n}  {seconds:4.1f} s", flush=True)
            wrong += options.n - results[""]
            for text, count in results.items():
                if text:
                    print(f"    {count} × {text}", flush=True)  # noqa: RUF001
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
