"""The rows of a sequence: all twelve steps, and no row before its cause."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.diagrams.conftest import wait_until_it_accepts_again
from threadserver.clients import Client
from threadserver.clients.client import ConnectError
from threadserver.core.errors import UsageError
from threadserver.core.models import iterative
from threadserver.diagrams.sequence import Row, Sequence, sequence

ALL = ["1", "2", "3", "4", "5", "6", "7", "8", "8a", "8b", "9", "10", "11", "12"]
CAUSES = [
    ("4", "5"), ("5", "6"), ("6", "7"), ("7", "8"), ("6", "8"), ("8", "8a"), ("8a", "8b"), ("8b", "9"), ("9", "10"),
    ("9", "11"), ("11", "12"),
]  # fmt: skip
SCENARIOS = {
    "one client": {},
    "clients at once": {"clients": 4, "lines": [b"one", b"two"]},
    "iterative": {"clients": 3, "model": iterative.serve},
    "plain lines": {"clients": 3, "confirm": False},
    "only the server": {"clients": 3, "sides": "server"},
    "only clients": {"clients": 3, "sides": "client"},
    "only clients, plain": {"clients": 2, "sides": "client", "confirm": False},
    "only the server, plain": {"clients": 2, "sides": "server", "confirm": False},
}


def steps(sequence: Sequence) -> list[str]:
    return [row.step for row in sequence.rows if row.step]


def of_step(sequence: Sequence, step: str) -> list[Row]:
    return [row for row in sequence.rows if row.step == step]


def title(sequence: Sequence, key: str | None) -> str | None:
    return next((lifeline.title for lifeline in sequence.lifelines if lifeline.key == key), None)


def parties(rows: Sequence | list[Row]) -> list[list[Row]]:
    """Group the rows by connection: by its number, or where it has none, by its client."""
    groups: dict[object, list[Row]] = {}
    for row in rows:
        if row.connection or row.step in ("4", "5", "7"):
            groups.setdefault(row.connection or row.source, []).append(row)
    return list(groups.values())


def assert_causal(shown: Sequence) -> None:
    assert all(one.time <= following.time for one, following in pairwise(shown.rows))
    for rows in parties(shown.rows):
        first = {step: at for at, step in reversed(list(enumerate(row.step for row in rows)))}
        for cause, effect in CAUSES:
            if cause in first and effect in first:
                assert first[cause] < first[effect], (cause, effect, [row.step for row in rows])
        lines = [row.text.partition("(")[2] for row in rows if row.step == "9" and row.text.startswith("sendall")]
        for line in lines:
            texts = [(row.step, row.text.partition("(")[2]) for row in rows]
            if ("10", line) in texts:
                assert texts.index(("9", line)) < texts.index(("10", line))


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_no_row_stands_before_its_cause(trace, scenario):
    shown = trace(**scenario).sequence
    assert shown.rows
    assert_causal(shown)


@pytest.mark.parametrize("confirm", [True, False], ids=["confirmed", "plain"])
def test_no_row_stands_before_its_cause_over_local_sockets(trace, tmp_path, confirm):
    assert_causal(trace(address=f"unix://{tmp_path}/s", confirm=confirm, clients=3).sequence)


def test_one_conversation_is_the_twelve_steps(trace):
    shown = trace().sequence
    assert steps(shown) == ALL
    assert [lifeline.kind for lifeline in shown.lifelines] == ["client", "listening", "worker"]


def test_arrows_lead_from_the_caller_to_the_receiver(trace):
    shown = trace().sequence
    client, listening, worker = (lifeline.key for lifeline in shown.lifelines)
    arrows = {row.step: (row.source, row.target) for row in shown.rows if row.target}
    assert arrows == {
        "5": (client, listening), "8": (listening, worker), "8a": (worker, client), "8b": (client, worker),
        "9": (client, worker), "10": (worker, client), "11": (client, worker), "12": (worker, client),
    }  # fmt: skip


def test_a_recv_belongs_to_the_row_of_its_send(trace):
    shown = trace().sequence
    for step, result in {"8a": "HELLO ", "8b": "CONFIRM 1", "9": "hello", "11": ""}.items():
        (row,) = of_step(shown, step)
        sent, *received = row.records
        assert [record.call for record in received] == ["recv"]
        assert received[0].side != sent.side
        assert result in received[0].result  # maybe with what was sent next
    (answer,) = of_step(shown, "10")
    assert [(record.side, record.call) for record in answer.records] == [
        ("server", "sendall"), ("server", "recv"), ("client", "recv"),
    ]  # fmt: skip


def test_split_and_joined_sends_are_matched(trace):
    def converse(address, recorder):
        with Client(address, recorder=recorder) as client:
            client.socket.sendall(b"a\nb\nc")
            client.socket.sendall(b"\n")
            assert [client.receive() for _ in range(3)] == [b"a", b"b", b"c"]

    shown = trace(converse).sequence
    for row in of_step(shown, "9"):
        assert [record.call for record in row.records[1:]] in (["recv"], ["recv", "recv"])
    answers = [row.text for row in of_step(shown, "10") if "sendall" in row.text]
    assert answers[0] == r"recv(), then sendall(a\n)"  # what the others came with depends on where the stream was cut
    assert [text.removeprefix("recv(), then ") for text in answers] == [rf"sendall({line}\n)" for line in "abc"]


def test_the_request_waits_in_the_queue_of_a_busy_server(trace):
    def converse(address, recorder):
        with (
            Client(address, recorder=recorder) as served,
            Client(address, recorder=recorder, confirm=False) as waiting,
        ):
            served.close()
            assert waiting.receive().startswith(b"HELLO ")

    shown = trace(converse, model=iterative.serve).sequence
    texts = {row.connection: row.text for row in of_step(shown, "6")}
    assert "in the queue until accept() is called" in texts[2]
    assert_causal(shown)


def test_the_request_arrives_while_accept_is_blocked(trace):
    records = trace().records
    (accept,) = (record for record in records if record.step == "8")
    called = min(record.begin for record in records)  # an accept() that was surely called before connect()
    earlier = [replace(r, begin=called) if (r.call, r.begin) == ("accept", accept.begin) else r for r in records]
    (row,) = of_step(sequence(earlier), "6")
    assert row.text.startswith("passive open, after ")
    assert row.text.endswith(" blocked in accept()")


def test_a_worker_is_a_thread_the_accepting_thread_or_a_process(trace, forked):
    kinds = {}
    for name, shown in {
        "thread": trace().sequence, "iterative": trace(model=iterative.serve).sequence, "fork": forked.sequence,
    }.items():  # fmt: skip
        kinds[name] = {lifeline.title.partition("(")[2] for lifeline in shown.lifelines if lifeline.kind == "worker"}
    assert kinds == {"thread": {"thread)"}, "iterative": {"the accepting thread)"}, "fork": {"process)"}}


def test_an_iterative_worker_stands_apart_from_the_listening_socket(trace):
    shown = trace(model=iterative.serve, clients=2).sequence
    assert [lifeline.kind for lifeline in shown.lifelines] == ["client", "client", "listening", "worker"]


def test_after_a_fork_each_step_is_shown_once_and_the_copies_are_marked(forked):
    shown = forked.sequence
    assert_causal(shown)
    for connection in (1, 2):
        own = [row.step for row in shown.rows if row.connection == connection and row.step]
        assert own == ALL[3:]
    copies = [row for row in shown.rows if "its own copy of the descriptor" in row.text and row.connection]
    assert [row.connection for row in copies] == [1, 2]
    assert {title(shown, row.source) for row in copies} == {"listening socket"}


def test_one_side_alone_reads_like_both(trace):
    server = trace(sides="server").sequence
    assert steps(server) == [step for step in ALL if step not in ("4", "5", "7")]
    client = trace(sides="client").sequence
    assert steps(client) == ["4", "5", "7", "8a", "8b", "9", "10", "11", "12"]
    assert [lifeline.subtitle.endswith("not recorded") for lifeline in server.lifelines] == [True, False, False]
    assert client.lifelines[-1].title.startswith("worker ")  # HELLO told it
    assert client.lifelines[-1].subtitle == "known from HELLO"


def test_local_clients_without_a_name_are_paired_by_their_order(trace, tmp_path):
    def converse(address, recorder):
        for line in (b"one", b"two"):
            with Client(address, recorder=recorder, confirm=False) as client:
                assert client.ask(line) == line

    shown = trace(converse, address=f"unix://{tmp_path}/s", confirm=False).sequence
    assert len([lifeline for lifeline in shown.lifelines if lifeline.kind == "client"]) == 2
    assert [(row.connection, row.text) for row in of_step(shown, "9")] == [
        (1, r"sendall(one\n)"), (2, r"sendall(two\n)"),
    ]  # fmt: skip


def test_an_unanswered_line_is_read_in_step_10(trace):
    def converse(address, recorder):
        with Client(address, recorder=recorder) as client:
            client.send(b"into the void")
            client.finish()
            assert client.receive() is None

    shown = trace(converse, service=lambda line: None).sequence
    (read,) = of_step(shown, "10")
    assert read.target is None
    assert read.text.startswith("recv(")  # maybe with what was sent before
    assert read.text.endswith(r"into the void\n")


def test_refusals_are_rows_outside_the_steps(trace):
    def converse(address, recorder):
        with Client(address, recorder=recorder), pytest.raises(ConnectError, match="server is full"):
            Client(address, recorder=recorder)

    shown = trace(converse, max_connections=1).sequence
    (refusal,) = (row for row in shown.rows if row.trouble)
    assert (refusal.step, refusal.text) == (None, r"send(ERROR server is full\n) = 21 bytes")
    assert title(shown, refusal.target) == "client 2"


def test_a_wrong_confirmation_is_refused(trace):
    def converse(address, recorder):
        with Client(address, recorder=recorder, confirm=False) as client:
            assert client.receive().startswith(b"HELLO ")
            client.send(b"nonsense")
            assert client.receive().startswith(b"ERROR ")

    shown = trace(converse).sequence
    assert [row.text for row in shown.rows if row.trouble] == [
        r"recv(), then sendall(ERROR confirmation expected: CONFIRM 1\n)"
    ]
    assert_causal(shown)


def test_a_refused_connection_is_a_failed_call(trace, unused_port):
    def converse(address, recorder):
        with pytest.raises(ConnectError, match="nothing listens there"):
            Client(f"tcp://127.0.0.1:{unused_port}", recorder=recorder)

    shown = trace(converse, sides="client").sequence
    assert [(row.step, row.trouble) for row in shown.rows] == [("4", False), ("5", False), (None, True), (None, False)]
    assert shown.rows[2].text.endswith("failed: connection refused")


def test_stopping_is_shown_but_not_marked_as_trouble(trace):
    left_open = []

    def stay(address, _):
        left_open.append(Client(address))
        wait_until_it_accepts_again()

    rows = trace(stay).sequence.rows
    left_open[0].close()
    texts = [row.text for row in rows if row.step is None]
    assert any(text.startswith("shutdown(SHUT_RD) by ") for text in texts)
    assert "accept() was woken: the listening socket was shut down" in texts
    assert not any(row.trouble for row in rows)


def test_files_can_come_in_any_order(trace):
    made = trace(clients=3)
    shown = made.sequence
    made.paths.reverse()
    assert made.sequence == shown


def test_records_can_come_in_any_order(trace):
    made = trace(clients=3)
    shown = made.sequence
    for path in made.paths:
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(random.Random(7).sample(lines, len(lines))))
    assert made.sequence == shown


def test_a_line_that_came_with_the_confirmation_is_a_step_of_its_own(trace):
    def converse(address, recorder):
        with Client(address, confirm=False) as client:
            assert client.receive().startswith(b"HELLO ")
            client.socket.sendall(b"CONFIRM 1\nhello\n")
            assert client.receive() == b"hello"
            client.finish()
            assert client.receive() is None

    assert steps(trace(converse, sides="server").sequence)[5:] == ["8a", "8b", "9", "10", "11", "12"]


def test_text_that_steers_a_terminal_is_shown_as_an_escape(hostile):
    texts = [row.text for row in hostile.sequence.rows]
    assert all(text.isprintable() for text in texts)
    assert any(r"\x1b[31mred\x1b[0m \x07 \u202e end" in text for text in texts)
    assert_causal(hostile.sequence)


def test_one_connection_alone_keeps_what_the_listening_socket_did(trace):
    shown = trace(clients=3).sequence.only([2])
    assert {row.connection for row in shown.rows} == {None, 2}
    assert steps(shown) == ALL
    assert [lifeline.kind for lifeline in shown.lifelines] == ["client", "listening", "worker"]


def test_a_connection_that_is_not_there_is_an_error_that_lists_those_that_are(trace):
    with pytest.raises(UsageError, match="no connection 9 in this trace; it has: 1, 2"):
        trace(clients=2).sequence.only([9])


def test_an_empty_trace_is_an_empty_sequence():
    assert sequence([]) == Sequence(0.0, (), ())
