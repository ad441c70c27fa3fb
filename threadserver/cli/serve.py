"""``threadserver serve``: a server of any model, until Ctrl-C."""

import logging

import click

from threadserver.cli.parameters import SECONDS, complete_models, option, recording
from threadserver.core import loading, models, services
from threadserver.core.conversation import Conversation
from threadserver.core.errors import UsageError
from threadserver.core.running import leave, run_until_signalled
from threadserver.core.server import Server


@click.command()
@click.argument("address", default="tcp://127.0.0.1:7000")
@option(
    "--model", "-m", default="thread", metavar="NAME|PATH", show_default=True, shell_complete=complete_models,
    help=f"Concurrency model: {', '.join(models.names())}, or the path of your own.",
)  # fmt: skip
@option(
    "--service", "-s", default="echo", metavar="NAME|PATH:FUNCTION", show_default=True,
    help=f"What the server does with a line: {', '.join(services.SERVICES)}, or a function of your own.",
)  # fmt: skip
@option(
    "--conversation", metavar="PATH:CLASS",
    help="Speak another protocol: a class like threadserver.core.conversation.Conversation.",
)  # fmt: skip
@option(
    "--backlog", default=128, show_default=True, metavar="N", type=click.IntRange(0, 2**31 - 1),
    help="Connections that may wait in the accept queue.",
)  # fmt: skip
@option("--max-connections", type=click.IntRange(1), metavar="N", help="Refuse new connections while N are open.")
@option(
    "--confirm-timeout", default=5.0, show_default=True, type=SECONDS,
    help="Seconds that a client has to confirm; 0: no limit.",
)  # fmt: skip
@option(
    "--idle-timeout", default=300.0, show_default=True, type=SECONDS,
    help="Seconds that a client may be silent; 0: no limit.",
)  # fmt: skip
@option("--no-confirm", is_flag=True, help="Send no HELLO and expect no CONFIRM: plain lines, for nc or telnet.")
@option("--trace", metavar="FILE", help="Record every call as JSON lines, for `threadserver diagram`.")
@option("--verbose", "-v", is_flag=True, help="Log why connections fail.")
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

    ADDRESS is tcp://HOST:PORT (or HOST:PORT), tcp://[IPV6]:PORT, unix:///PATH, or unix:@NAME for an abstract socket,
    which needs no file. With port 0 the kernel chooses a free port.

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
    with recording(trace, overwrite=True) as recorder:
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
        raise UsageError(f"cannot load a conversation from {name!r}: it is not PATH:CLASS")
    found: type[Conversation] = loading.load(path, attribute, "a conversation is a class")
    return found
