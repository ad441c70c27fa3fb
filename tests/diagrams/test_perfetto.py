"""The trace-event JSON: rules that its viewers rely on."""

import json
from collections import defaultdict

import pytest

from tests.diagrams.conftest import at_once, wait_until_it_accepts_again
from threadserver.core.models import iterative
from threadserver.diagrams.perfetto import perfetto


def events(records) -> list[dict]:
    document = json.loads(perfetto(records))
    assert document["displayTimeUnit"] == "ms"
    return document["traceEvents"]


def of_kind(events, kind) -> list[dict]:
    return [event for event in events if event["ph"] == kind]


def span(slice_) -> tuple[int, int]:
    """Return begin and end in whole nanoseconds."""
    return round(slice_["ts"] * 1000), round((slice_["ts"] + slice_["dur"]) * 1000)


def assert_valid(events) -> None:
    tracks = defaultdict(list)
    for slice_ in of_kind(events, "X"):
        assert slice_["name"]
        assert slice_["ts"] >= 0
        assert slice_["dur"] >= 0
        tracks[slice_["pid"], slice_["tid"]].append(span(slice_))
    for spans in tracks.values():
        assert_nested(sorted(spans, key=lambda span: (span[0], -span[1])))
    named = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    assert named == set(tracks)
    processes = {event["pid"] for event in events if event["name"] == "process_name"}
    assert processes == {process for process, _ in tracks}


def assert_nested(spans) -> None:
    open_until = []
    for begin, end in spans:
        while open_until and open_until[-1] <= begin:
            open_until.pop()
        assert not open_until or end <= open_until[-1]
        open_until.append(end)


@pytest.mark.parametrize("options", [{}, {"clients": 3}, {"clients": 3, "model": iterative.serve}, {"sides": "client"}])
def test_slices_have_names_and_durations_and_nest(trace, options):
    assert_valid(events(trace(**options).records))


def test_after_a_fork_each_process_has_tracks_of_its_own(forked):
    shown = events(forked.records)
    assert_valid(shown)
    names = [event["args"]["name"] for event in shown if event["name"] == "process_name"]
    assert sorted(names) == ["client", "server", "server", "server"]


def test_waiting_is_a_blocked_slice_with_what_it_waited_for(trace):
    slices = of_kind(events(trace().records), "X")
    blocked = {slice_["name"] for slice_ in slices if slice_["cat"] == "blocked"}
    assert blocked == {"accept()", "connect()", "recv()"}
    (accepted,) = (slice_ for slice_ in slices if slice_["args"].get("step") == "8")
    assert accepted["args"]["connection"] == 1
    assert ", tcp://127.0.0.1:" in accepted["args"]["result"]


def test_each_call_is_one_slice(trace):
    records = trace().records
    slices = of_kind(events(records), "X")
    assert len(slices) == sum(record.end is not None for record in records)


def test_a_call_that_never_returned_lasts_until_the_end(trace):
    def talk_until_it_accepts_again(address, recorder):
        at_once(1, address, [b"hello"], recorder=recorder)
        wait_until_it_accepts_again()

    records = [
        record
        for record in trace(talk_until_it_accepts_again).records
        if not (record.result or "").startswith("failed: ")
    ]
    slices = of_kind(events(records), "X")
    last = [slice_ for slice_ in slices if slice_["args"]["result"] == "had not returned when the trace ended"]
    assert [slice_["name"] for slice_ in last] == ["accept()"]
    assert span(last[0])[1] == max(span(slice_)[1] for slice_ in slices)
    assert_valid(events(records))


def test_arrows_lead_from_each_send_to_the_recv_that_took_it(trace):
    shown = events(trace(clients=2).records)
    starts, ends = ({event["id"]: event for event in of_kind(shown, kind)} for kind in "sf")
    assert starts.keys() == ends.keys()
    assert len(starts) >= 8  # HELLO, CONFIRM, line and answer of two clients
    slices = of_kind(shown, "X")
    for number, start in starts.items():
        end = ends[number]
        assert start["ts"] <= end["ts"]
        assert (start["pid"], start["tid"]) != (end["pid"], end["tid"])
        for event, calls in ((start, {"sendall()"}), (end, {"recv()"})):
            at = round(event["ts"] * 1000)
            around = [s for s in slices if (s["pid"], s["tid"]) == (event["pid"], event["tid"])]
            assert any(span(s)[0] <= at <= span(s)[1] and s["name"] in calls for s in around)


def test_no_records_make_an_empty_trace():
    assert events([]) == []
