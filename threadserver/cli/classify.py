"""``threadserver classify``: find out the concurrency model of a running server."""

import json
import shutil

import click

from threadserver.cli import printing
from threadserver.cli.parameters import option
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
    help="How to talk to the server. none: send nothing. kit: confirm HELLO. lines: send the lines of --send. auto: "
    "kit if the server says HELLO, nothing if it says anything else; if it says nothing and silence is inconclusive, "
    "an HTTP request on some connections. A server of another protocol treats that as an error, and may log it; for a "
    "device that acts on all input, such as a printer, use none.",
)  # fmt: skip
@click.option(
    "--send", multiple=True, metavar="LINE",
    help=r"Send this line, with escapes such as \r\n: --send 'PING\r\n'. May be repeated.",
)  # fmt: skip
@click.option("--pid", type=int, help="A process in the server's network namespace, if it is not yours.")
@option(
    "--timeout", "-t", "time_limit", formerly=["--time-limit"], type=click.FloatRange(min=0.5), default=TIME_LIMIT,
    show_default=True, help="Seconds that the experiment may take.",
)  # fmt: skip
@option("--start-timeout", "start_limit", formerly=["--start-limit"], type=click.FloatRange(min=0.1),
        default=START_LIMIT, show_default=True, help="Seconds within which COMMAND must listen.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def classify(
    words: tuple[str, ...], speak: str, send: tuple[str, ...], pid: int | None, time_limit: float, start_limit: float,
    as_json: bool,
) -> None:  # fmt: skip
    """Find out by experiment which concurrency model a server uses, and show the evidence.

    The experiment opens connections one by one, holds them idle, and reads from the kernel which tasks wait for which
    connections. If that is inconclusive, it sends something on some of them; if that is still inconclusive, strace
    traces the server briefly. In the end it closes all its connections. It never guesses: on a busy machine, a longer
    --timeout turns "undetermined" into an answer.

    \b
    threadserver classify tcp://127.0.0.1:6379 --send 'PING\\r\\n'
    threadserver classify -- python3 -m http.server --bind {host} {port}
    """
    talk = speech(speak, send)
    if len(words) == 1 and _is_address(words[0]):
        verdict = examine(Address.parse(words[0]), talk, pid=pid, time_limit=time_limit)
    elif pid is not None:
        raise UsageError("--pid is for an ADDRESS; with a COMMAND, the namespace is known")
    elif len(words) == 1 and not _is_program(words[0]):
        raise UsageError(
            f"{words[0]} is neither an address nor a program: an address is HOST:PORT, tcp://HOST:PORT or unix:PATH; "
            "a command needs {port}: -- COMMAND ... {host} {port}"
        )
    else:
        with started(list(words), start_limit=start_limit) as server:
            verdict = examine(server.address, talk, pid=server.pid, keeper=server.keeper, time_limit=time_limit)
    if as_json:
        click.echo(json.dumps(verdict.as_json(), indent=2, ensure_ascii=False))
    else:
        printing.console().print(task_table.verdict(verdict))


def _is_address(word: str) -> bool:
    """Tell whether a word is an address: a command of one word has no colon."""
    return ":" in word


def _is_program(word: str) -> bool:
    """Tell whether a word is a program, by its path or in PATH."""
    return shutil.which(word) is not None
