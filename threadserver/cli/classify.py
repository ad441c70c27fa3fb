"""``threadserver classify``: the concurrency model of that server over there."""

import json
import shutil

import click

from threadserver.cli import printing
from threadserver.core.address import Address
from threadserver.core.errors import UsageError
from threadserver.inspection import task_table
from threadserver.inspection.classification import TIME_LIMIT
from threadserver.inspection.classification import classify as examine
from threadserver.inspection.speech import speech
from threadserver.submission.starting import START_LIMIT, started


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument(
    "words", metavar="ADDRESS | -- COMMAND ... {host} {port}", nargs=-1, required=True, type=click.UNPROCESSED
)
@click.option(
    "--speak", type=click.Choice(["auto", "none", "kit", "lines"]), default="auto", show_default=True,
    help="How to talk. none: only connect and hold. kit: confirm HELLO. lines: what --send gives. auto: kit where the "
    "server says HELLO, nothing where it says anything else, and an HTTP request on some connections where silence "
    "leaves a question open; a server of another protocol will take that for an error, and may log it. What acts on "
    "whatever comes in (a printer's port) must not be asked so: --speak none.",
)  # fmt: skip
@click.option(
    "--send", multiple=True, metavar="LINE", help=r"Say this, escapes allowed: --send 'PING\r\n'. May be repeated."
)
@click.option("--pid", type=int, help="A process in the server's network namespace, when that is not ours.")
@click.option(
    "--time-limit", type=click.FloatRange(min=0.5), default=TIME_LIMIT, show_default=True, help="Seconds for it all."
)
@click.option("--start-limit", type=click.FloatRange(min=0.1), default=START_LIMIT, show_default=True,
              help="Seconds in which a COMMAND must begin to listen.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def classify(
    words: tuple[str, ...], speak: str, send: tuple[str, ...], pid: int | None, time_limit: float, start_limit: float,
    as_json: bool,
) -> None:  # fmt: skip
    """Find out by experiment which concurrency model a server uses, and show the evidence.

    It opens connections one by one, holds them idle, and looks in the kernel's tables who waits for which. Every
    connection is closed in the end, and the server is left as it was. What was not seen in the time limit is not
    guessed: on a busy machine a longer one turns "undetermined" into an answer.

    \b
    threadserver classify tcp://127.0.0.1:6379 --send 'PING\\r\\n'
    threadserver classify -- python3 -m http.server --bind {host} {port}
    """
    talk = speech(speak, send)
    if len(words) == 1 and _is_address(words[0]):
        verdict = examine(Address.parse(words[0]), talk, pid=pid, time_limit=time_limit)
    elif pid is not None:
        raise UsageError("--pid belongs to an ADDRESS; a COMMAND is followed into its namespace by itself")
    elif len(words) == 1 and not _is_program(words[0]):
        raise UsageError(
            f"{words[0]} is no address, and no program that can be run: an address is HOST:PORT, tcp://HOST:PORT or "
            "unix:PATH, and a command needs {port}: -- COMMAND ... {host} {port}"
        )
    else:
        with started(list(words), start_limit=start_limit) as server:
            verdict = examine(server.address, talk, pid=server.pid, keeper=server.keeper, time_limit=time_limit)
    if as_json:
        click.echo(json.dumps(verdict.as_json(), indent=2, ensure_ascii=False))
    else:
        printing.console().print(task_table.verdict(verdict))


def _is_address(word: str) -> bool:
    """Tell an address from a command of one word, which has no colon."""
    return ":" in word


def _is_program(word: str) -> bool:
    """Tell whether there is such a program, by its path or in PATH."""
    return shutil.which(word) is not None
