"""A client in a pipeline: the lines of a file in, answers out.

One thread sends while another receives, so that neither side waits for the other with full buffers: a client that sends
everything before it reads comes to a standstill as soon as the answers fill the buffers in between.
"""

from contextlib import suppress
from threading import Thread
from typing import BinaryIO

from threadserver.clients.client import Client, DisconnectedError


def pipe(client: Client, source: BinaryIO, target: BinaryIO, *, answers: bool = True) -> None:
    """Send each line of ``source`` and write each answer to ``target``, to the end of both.

    ``answers`` says whether the service answers each line. Raises DisconnectedError when the server ends while it still
    owes answers.
    """
    client.socket.settimeout(None)  # the source may be silent for a long time
    sent, at_end = 0, False

    def send() -> None:
        nonlocal sent, at_end
        with suppress(OSError):  # the connection has gone: the receiver knows why
            for line in source:
                sent += 1
                client.send(line.removesuffix(b"\n"))
            at_end = True
            client.finish()

    Thread(target=send, name="sender", daemon=True).start()
    received = 0
    for answer in client:
        received += 1
        target.write(answer + b"\n")
        target.flush()
    if not at_end:
        raise DisconnectedError(f"{client.address} closed the connection before the end of input")
    if answers and received < sent:
        raise DisconnectedError(
            f"{client.address} closed the connection while it owed {sent - received} of {sent} answers "
            "(for a service without answers, such as discard, use --no-answers)"
        )
