"""The client's side without I/O: what it confirms, which answers it finds, and what it refuses."""

import pytest

from tests.core.test_conversation import CLIENT, SERVER, conversation, say
from threadserver.clients.client_conversation import ClientConversation, Hello, ProtocolError


def test_both_sides_understand_each_other_however_the_stream_is_cut():
    for size in (1, 2, 5, 64):
        server, client = conversation(), ClientConversation()
        to_client, to_server = server.greet("1/2"), b""
        for request in (b"", b"one\n", b"two\nthree\n"):
            to_server += request
            while to_client or to_server:
                piece, to_client = to_client[:size], to_client[size:]
                to_server = (client.receive(piece) if piece else b"") + to_server
                piece, to_server = to_server[:size], to_server[size:]
                to_client += say(server, piece) if piece else b""
        assert list(client.answers) == [b"ONE", b"TWO", b"THREE"]
        assert client.hello == Hello(str(SERVER), str(CLIENT), 7, "1/2")


@pytest.mark.parametrize(
    "line",
    [b"hello", b"HELLO", b"", b"HELLO connection=7", b"HELLO server=a client=b connection=x worker=1", b"\xff\xfe"],
)
def test_a_first_line_other_than_hello_breaks_the_protocol(line):
    with pytest.raises(ProtocolError, match="expected HELLO"):
        ClientConversation().receive(line + b"\n")


def test_a_client_says_why_it_was_not_greeted():
    with pytest.raises(ProtocolError, match="ERROR server is full"):
        ClientConversation().receive(b"ERROR server is full\n")
    with pytest.raises(ProtocolError, match="without a HELLO"):
        ClientConversation().receive(b"")


def test_a_client_refuses_an_endless_line():
    client = ClientConversation(confirm=False)
    with pytest.raises(ProtocolError, match="longer than 65536"):
        for _ in range(5):
            client.receive(b"x" * 20_000)


def test_an_answer_without_a_line_feed_is_kept_at_the_end():
    client = ClientConversation(confirm=False)
    client.receive(b"one\nla")
    client.receive(b"st")
    client.receive(b"")
    assert list(client.answers) == [b"one", b"last"]
