import json
import os

import pytest

from tests.conftest import eventually
from threadserver import serving
from threadserver.clients import Client
from threadserver.core.errors import KitError, UsageError
from threadserver.core.models import thread
from threadserver.core.steps import STEPS
from threadserver.core.trace import Recorder, number, parse, read


@pytest.fixture
def recorder(tmp_path):
    recorder = Recorder(tmp_path / "trace.jsonl")
    yield recorder
    recorder.close()


@pytest.fixture
def trace(tmp_path, recorder):
    """What a server and two clients recorded into one file."""
    with serving(thread.serve, recorder=recorder) as server:
        with Client(server.address, recorder=recorder) as first, Client(server.address, recorder=recorder) as second:
            second.ask(b"two")
            first.ask(b"one")
        eventually(lambda: not server.conversations, "both conversations are over")
        path = tmp_path / "trace.jsonl"
        eventually(lambda: path.read_text().count('"step": "12"') >= 2, "both ends are recorded")
    return read([path])


def test_every_step_is_recorded(trace):
    assert {record.step for record in trace} >= set(STEPS)


def test_each_step_is_on_its_own_side(trace):
    made = {"1": "socket", "2": "bind", "3": "listen", "4": "socket", "5": "connect", "6": "accept", "7": "connect",
            "8": "accept", "8a": "sendall", "8b": "sendall", "9": "sendall", "11": "close", "12": "close"}  # fmt: skip
    for step, call in made.items():
        assert any(r.step == step and r.call == call and r.side == STEPS[step].side for r in trace), step


def test_the_connections_number_is_known_from_the_first_call_on(trace):
    of_clients = [record for record in trace if record.side == "client"]
    assert {record.connection for record in of_clients} == {1, 2}
    assert [r.step for r in of_clients if r.connection == 1 and r.step in ("4", "5", "7")] == ["4", "5", "7"]
    accepted = [record for record in trace if record.step == "8"]
    assert [record.connection for record in accepted] == [1, 2]


def test_numbering_twice_changes_nothing(trace):
    assert number(trace) == trace


def test_calls_tell_when_where_and_with_what(trace):
    hello = next(record for record in trace if record.step == "8a" and record.side == "server")
    assert hello.arguments.startswith("HELLO server=tcp://127.0.0.1:")
    assert hello.begin <= hello.end
    assert hello.process == os.getpid()
    assert f"worker={hello.process}/{hello.thread}" in hello.arguments
    assert hello.local.startswith("tcp://127.0.0.1:")
    assert hello.peer.startswith("tcp://127.0.0.1:")


def test_the_traces_of_two_processes_become_one(serve, tmp_path):
    server = serve("tcp://127.0.0.1:0", "--trace", str(tmp_path / "server"))
    recorder = Recorder(tmp_path / "client")
    with Client(server.address, recorder=recorder) as client:
        client.ask(b"hello")
    recorder.close()
    server.stop()
    merged = read([tmp_path / "client", tmp_path / "server"])
    assert len({record.process for record in merged}) == 2
    assert [record.time for record in merged] == sorted(record.time for record in merged)
    assert all(record.connection == 1 for record in merged if record.side == "client")


def test_a_failed_call_is_recorded_too(recorder, tmp_path):
    with pytest.raises(KitError):
        Client("tcp://127.0.0.1:1", recorder=recorder)
    failed = [record for record in read([tmp_path / "trace.jsonl"]) if record.result and "failed" in record.result]
    assert [record.result for record in failed] == ["failed: connection refused"]


def test_a_trace_that_cannot_be_written_ends_and_the_server_does_not(caplog):
    recorder = Recorder("/dev/full")
    with serving(thread.serve, recorder=recorder) as server, Client(server.address) as client:
        assert client.ask(b"hello") == b"hello"
    assert caplog.text.count("the trace ends here, it cannot be written: no space left on device") == 1
    recorder.close()


def test_after_the_end_of_a_trace_nothing_is_written_anywhere(recorder):
    with serving(thread.serve, recorder=recorder) as server, Client(server.address) as client:
        recorder.close()
        assert client.ask(b"hello") == b"hello"


def test_data_is_shown_in_part_and_on_one_line(recorder, tmp_path):
    with serving(thread.serve, recorder=recorder) as server, Client(server.address, recorder=recorder) as client:
        client.ask(b"\r\x00\xff" + b"x" * 5000)
    lines = (tmp_path / "trace.jsonl").read_bytes().splitlines()
    assert max(map(len, lines)) < 4096  # one write to a pipe is whole up to here
    assert any("(5004 bytes)" in json.loads(line)["arguments"] for line in lines)


def test_a_line_that_was_cut_off_at_the_end_is_left_out(tmp_path, recorder):
    with serving(thread.serve, recorder=recorder) as server, Client(server.address) as client:
        client.ask(b"hello")
    whole = (tmp_path / "trace.jsonl").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-10])
    assert len(read([tmp_path / "cut"])) == whole.count(b"\n") - 1


WHOLE = json.dumps(
    {"step": "1", "side": "server", "call": "socket", "arguments": "", "result": "3", "begin": 1.0, "end": 2.0,
     "process": 1, "thread": 1, "thread_name": "a", "socket": "1.1", "connection": None, "local": None, "peer": None}
)  # fmt: skip


@pytest.mark.parametrize(
    "line",
    ["", "no json", "[]", "5", '{"step": "1"}', '{"x": 1}', WHOLE.replace('"1"', '"77"'), WHOLE.replace("1.0", '"x"'),
     WHOLE.replace("1.0", "1e999"), WHOLE.replace('"thread": 1', '"thread": [1]'), "[" * 100_000],
)  # fmt: skip
def test_a_line_that_is_not_a_record_is_rejected(tmp_path, line):
    assert parse(WHOLE).step == "1"
    (tmp_path / "bad").write_text(line + "\n")
    with pytest.raises(UsageError, match=r"line 1: not a record of a trace"):
        read([tmp_path / "bad"])
    with pytest.raises(ValueError):
        parse(line)


def test_a_missing_trace_is_reported(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read([tmp_path / "none"])
    with pytest.raises(KitError, match="cannot write the trace"):
        Recorder(tmp_path / "none" / "trace")
