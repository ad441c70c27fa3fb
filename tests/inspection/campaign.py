"""The long form of the classification tests: every server N times, and again with two busy processes beside.

    python tests/inspection/campaign.py [-n 20] [--busy 2] [NAME …]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from catalogue import OWN, SERVERS, Known

from threadserver.errors import KitError
from threadserver.inspection.classify import classify
from threadserver.inspection.speech import speech
from threadserver.submission.starting import started


def examine(known: Known) -> str:
    """Classify once; an empty text when it is right."""
    with tempfile.TemporaryDirectory(prefix="campaign-") as name:
        os.chmod(name, 0o755)
        try:
            with started(known.command(Path(name))) as server:
                verdict = classify(server.address, speech("auto", known.send), pid=server.pid, keeper=server.keeper)
        except KitError as error:
            return str(error)
    found = (verdict.model, verdict.workers if known.workers else None, verdict.mechanism if known.mechanism else None)
    return "" if found == (known.model, known.workers, known.mechanism) else f"{found}: {verdict.sentence}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=20)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.busy)]
    wrong = 0
    try:
        for known in [*SERVERS, *OWN]:
            if options.names and known.name not in options.names:
                continue
            begun = time.monotonic()
            results = Counter(examine(known) for _ in range(options.n))
            seconds = (time.monotonic() - begun) / options.n
            print(f"{known.name:28} {known.model:24} {results['']:3} of {options.n}  {seconds:4.1f} s", flush=True)
            for text, count in results.items():
                if text:
                    wrong += count
                    print(f"    {count} × {text[:300]}", flush=True)
    finally:
        for one in busy:
            one.kill()
            one.wait()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
