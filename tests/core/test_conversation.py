import re

import pytest

from threadserver.core import conversation as module
from threadserver.core.address import Address
from threadserver.core.conversation import MAX_LINE, Conversation, Input
from threadserver.core.services import octets

SERVER, CLIENT = Address.parse("tcp://127.0.0.1:7000"), Address.parse("tcp://127.0.0.1:51324")


def conversation(service=bytes.upper, **options):
    return Conversation(service, 7, SERVER, CLIENT, **options)


def say(side, *pieces):
    """Everything that a conversation answers to pieces of input."""
    answers = []
    for piece in pieces:
        if side.finished:
            break
        answers += side.receive(piece)
    return b"".join(answers)


def test_hello_describes_the_socket():
    assert conversation().greet("8622/8705") == (
        b"HELLO server=tcp://127.0.0.1:7000 client=tcp://127.0.0.1:51324 connection=7 worker=8622/8705\n"
    )


def test_a_confirmed_client_is_answered_line_by_line():
    side = conversation()
    assert say(side, b"CONFIRM 7\n") == b""
    assert say(side, b"one\n") == b"ONE\n"
    assert say(side, b"two\nthree\n") == b"TWO\nTHREE\n"
    assert not side.finished


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_it_does_not_matter_where_the_stream_is_cut(size):
    stream = b"CONFIRM 7\r\n\none\r\n\xff\xfe\x00\n" + b"x" * 999 + b"\nlast"
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert say(conversation(), *pieces, b"") == b"\nONE\r\n\xff\xfe\x00\n" + b"X" * 999 + b"\nLAST"


@pytest.mark.parametrize(
    "line", [b"CONFIRM 8", b"confirm 7", b"CONFIRM", b"CONFIRM 7 7", b"hello", b"", b"\xff", b"CONFIRM 07"]
)
def test_anything_but_the_right_confirmation_ends_it(line):
    side = conversation()
    assert say(side, line + b"\nhello\n") == b"ERROR confirmation expected: CONFIRM 7\n"
    assert side.finished
    assert side.refused


@pytest.mark.parametrize("before", [[], [b"CONF"], [b"CONFIRM 7"]])
def test_a_client_that_ends_before_it_confirmed_is_closed_in_silence(before):
    side = conversation()
    assert say(side, *before, b"") == b""
    assert side.finished
    assert not side.refused


def test_the_longest_line_is_answered_and_one_byte_more_is_refused():
    longest = b"x" * (MAX_LINE - 1)
    for pieces in ([longest + b"\n"], [longest, b"\n"], [b"CONFIRM 7\n" + longest[:10], longest[10:] + b"\nnext\n"]):
        side = conversation()
        if not pieces[0].startswith(b"CONFIRM"):
            say(side, b"CONFIRM 7\n")
        assert say(side, *pieces).startswith(longest.upper() + b"\n")
        assert not side.finished
    for pieces in ([longest + b"xx\n"], [longest, b"x"], [longest + b"x"], [b"one\n" + longest + b"x\nnext\n"]):
        side = conversation()
        say(side, b"CONFIRM 7\n")
        assert say(side, *pieces).endswith(b"ERROR line longer than 65536 bytes\n")
        assert side.refused


def test_an_answer_is_computed_when_it_is_asked_for():
    asked = []
    side = conversation(lambda line: asked.append(line) or line)
    say(side, b"CONFIRM 7\n")
    answers = iter(side.receive(b"one\ntwo\n"))
    assert next(answers) == b"one\n"
    assert asked == [b"one"]
    assert next(answers) == b"two\n"


def test_a_service_may_answer_nothing():
    side = conversation(lambda line: None, confirm=False)
    assert say(side, b"one\n", b"two\nthree\n", b"last", b"") == b""


@pytest.mark.parametrize("failure", [ZeroDivisionError, SystemExit, UnicodeDecodeError("utf-8", b"", 0, 1, "")])
def test_a_service_that_raises_is_an_error_for_this_line_only(failure, caplog):
    def service(line):
        if line == b"bad":
            raise failure
        return line

    side = conversation(service, confirm=False)
    assert say(side, b"bad\n").startswith(b"ERROR service failed: ")
    assert say(side, b"good\n") == b"good\n"
    assert "Traceback" in caplog.text


def test_a_service_that_answers_text_instead_of_bytes_is_an_error(caplog):
    assert say(conversation(lambda line: "text", confirm=False), b"one\n") == b"ERROR service failed: TypeError\n"


def test_a_time_out_is_reported_at_the_end_of_input():
    side = conversation()
    side.overdue = "not confirmed within 5 s"
    assert say(side, b"") == b"ERROR not confirmed within 5 s\n"
    assert side.finished


def test_octets_counts_the_line_feed():
    side = conversation(octets, confirm=False)
    for count in (1, 2, 100, 16384):
        assert len(say(side, b"%d\n" % count)) == count


def test_what_arrives_after_the_end_is_ignored():
    side = conversation(confirm=False)
    assert say(side, b"") == b""
    assert list(side.receive(b"more\n")) == list(side.receive(b"")) == []


def test_the_table_in_the_docstring_is_the_one_that_the_conversation_follows():
    table = module.__doc__.partition("next state\n")[2].partition("\n\n")[0]
    rows = [re.split(r" {2,}|(?<=ED) ", row.strip()) for row in table.splitlines()]
    written = [(state, what, following) for state, what, _, following in rows]
    assert written == [
        (state.name, arrived.value, following.name)
        for state, row in module.TRANSITIONS.items()
        for arrived, following in row.items()
    ]


REACHED = {"CONFIRMING": {}, "ESTABLISHED": {"confirm": False}}
EXAMPLES = {
    Input.CONFIRM: b"CONFIRM 7\n",
    Input.OTHER_LINE: b"hello\n",
    Input.LINE: b"hello\n",
    Input.END: b"",
    Input.TOO_LONG: b"x" * MAX_LINE,
    Input.TIMEOUT: b"",
}


@pytest.mark.parametrize(("state", "arrived"), [(s, i) for s, row in module.TRANSITIONS.items() for i in row])
def test_each_input_leads_to_the_next_state_of_the_table(state, arrived):
    side = conversation(**REACHED[state.name])
    assert side.state is state
    side.overdue = "idle for 5 s" if arrived is Input.TIMEOUT else ""
    answer = b"".join(side.receive(EXAMPLES[arrived]))
    assert side.state is module.TRANSITIONS[state][arrived]
    assert side.refused == answer.startswith(b"ERROR")
