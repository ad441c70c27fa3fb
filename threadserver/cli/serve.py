"""``threadserver serve``."""

import logging

import click

from threadserver.cli.parameters import SECONDS, recording
from threadserver.core import loading, models, services
from threadserver.core.conversation import Conversation
from threadserver.core.errors import UsageError
from threadserver.core.running import leave, run_until_signalled
from threadserver.core.server import Server


@click.command()
@click.argument("address", default="tcp://127.0.0.1:7000")
@click.option(
    "--model",
    default="thread",
    metavar="NAME|PATH",
    show_default=True,
    help=f"Who converses with which client: {', '.join(models.names())}.",
)
@click.option(
    "--service",
    default="echo",
    metavar="NAME|PATH:FUNCTION",
    show_default=True,
    help=f"{', '.join(services.SERVICES)}.",
)
@click.option(
    "--conversation",
    metavar="PATH:CLASS",
    help="Another protocol: a class like threadserver.core.conversation.Conversation.",
)
@click.option(
    "--backlog",
    default=128,
    show_default=True,
    type=click.IntRange(0, 2**31 - 1),
    help="How many may wait for accept().",
)
@click.option("--max-connections", type=click.IntRange(1), metavar="N", help="At once; more are refused.")
@click.option(
    "--confirm-timeout", default=5.0, show_default=True, type=SECONDS, help="Seconds to confirm in; 0: no limit."
)
@click.option("--idle-timeout", default=300.0, show_default=True, type=SECONDS, help="Seconds of silence; 0: no limit.")
@click.option("--no-confirm", is_flag=True, help="Without HELLO and CONFIRM: plain lines, for nc or telnet.")
@click.option("--trace", metavar="FILE", help="Record every call as JSON lines, for `threadserver diagram`.")
@click.option("-v", "--verbose", is_flag=True, help="Say more about connections that fail.")
def serve(
    address: str,
    model: str,
    service: str,
    conversation: str | None,
    backlog: int,
    max_connections: int | None,
    confirm_timeout: float,
    idle_timeout: float,
    no_confirm: bool,
    trace: str | None,
    verbose: bool,
) -> None:
    """Serve at ADDRESS until Ctrl-C.

    ADDRESS is tcp://HOST:PORT (or HOST:PORT), tcp://[::1]:PORT, unix:///PATH or, without a file, unix:@NAME.
    Port 0 takes any free port.

    \b
    threadserver serve tcp://127.0.0.1:7000 --service upper
    threadserver serve unix:///tmp/echo.sock --model iterative
    threadserver serve --model mine/server.py --service mine/service.py:answer
    """
    if verbose:
        logging.getLogger("threadserver").setLevel(logging.DEBUG)
    serve_with = models.find(model)
    answer = services.find(service)
    speak = _conversation(conversation) if conversation else Conversation
    with recording(trace, anew=True) as recorder:
        run_until_signalled(
            lambda: Server(
                address,
                answer,
                backlog=backlog,
                max_connections=max_connections,
                confirm=not no_confirm,
                confirm_timeout=confirm_timeout,
                idle_timeout=idle_timeout,
                conversation=speak,
                recorder=recorder,
            ),
            serve_with,
            lambda server: click.echo(
                f"listening on {server.address} (model {model}, service {service}); Ctrl-C stops"
            ),
        )
    leave()


def _conversation(name: str) -> type[Conversation]:
    path, _, attribute = name.rpartition(":")
    if not (path and attribute):
        raise UsageError(f"which class is the conversation? {name!r} is not PATH:CLASS")
    found: type[Conversation] = loading.load(path, attribute, "a conversation is a class")
    return found
