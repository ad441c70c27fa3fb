"""Whatever bytes come, wherever they are cut: over a real socket the answers are those of the protocol without I/O."""

import logging
import os
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import dial, read_all, read_line
from threadserver import serving
from threadserver.core.address import Address
from threadserver.core.conversation import Conversation
from threadserver.core.models import thread

CONVERSATIONS = int(os.environ.get("CONVERSATIONS", "1500"))


def service(line):
    """Answers, answers nothing, and fails, by the first byte."""
    if line.startswith(b"-"):
        return None
    if line.startswith(b"!"):
        raise ValueError
    return line.upper()


CONFIRM = st.sampled_from([b"CONFIRM N\n", b"CONFIRM N\r\n", b"CONFIRM N\nline\n", b"CONFIRM 0\n", b"CONF", b""])
PIECE = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"\n", b"line\n", b"two\nlines\n", b"-silent\n", b"!raise\n", b"\r\n", b"half a li"]),
    st.integers(65_530, 65_540).map(lambda size: b"x" * size),
)


@pytest.fixture(scope="module")
def server():
    logging.getLogger("threadserver").setLevel(logging.CRITICAL)  # the service fails on purpose, thousands of times
    with serving(thread.serve, service=service) as server:
        yield server
    logging.getLogger("threadserver").setLevel(logging.NOTSET)


@settings(max_examples=CONVERSATIONS, suppress_health_check=list(HealthCheck), database=None)
@given(confirmation=CONFIRM, pieces=st.lists(PIECE, max_size=6), cut=st.integers(0, 40))
def test_a_real_socket_gives_the_same_bytes(server, confirmation, pieces, cut):
    with dial(server.address) as sock:
        number = int(read_line(sock).split(b"connection=")[1].split()[0])
        stream = b"".join([confirmation.replace(b"N", b"%d" % number), *pieces])
        pieces = [stream[:cut], stream[cut:]]
        try:
            for piece in pieces:
                sock.sendall(piece)
            sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError, OSError):
            pass  # the server has said ERROR and closed; that is what is compared
        assert read_all(sock) == without_io(number, pieces)


def without_io(number, pieces):
    nowhere = Address.parse("unix:")
    side = Conversation(service, number, nowhere, nowhere)
    answers = []
    for piece in [*filter(None, pieces), b""]:
        if not side.finished:
            answers += side.receive(piece)
    return b"".join(answers)
