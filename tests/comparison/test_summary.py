"""The conclusions: only those that the rounds allow, in clear words."""

import re
from io import StringIO
from itertools import pairwise

import pytest
from rich.console import Console
from rich.table import Table

from tests.comparison.samples import load, results
from threadserver.comparison import classic_table, comparison_notes, comparison_table, findings, pictures
from threadserver.comparison.cells import Cell
from threadserver.comparison.changes import describe_changes
from threadserver.comparison.charts import Bar, Bars
from threadserver.comparison.colours import shades
from threadserver.comparison.drawing import draw
from threadserver.comparison.number_format import amount, interval, number, times
from threadserver.comparison.results import Server
from threadserver.comparison.summary import LIMITED, NO_DIFFERENCE, NOT_WELL, TOO_FEW, Summary

ECHO = Cell("echo", 10)
A, B = "epoll", "thread"


def summary(rates, rounds=6, limited=None):
    """Two servers with these rates in each round."""
    found = results(names=(A, B), cells=[ECHO], rounds=rounds)
    for run in found.runs:
        rate = rates[run.contestant](run.number)
        run.load = load(rate, 10, limited="busy" if run.contestant == limited else None)
    return Summary(found)


def test_the_faster_server_is_the_one_that_is_faster_in_paired_rounds():
    # The machine slows both down from round to round; side by side their intervals would overlap.
    one = summary({A: lambda n: 1000 / (n + 1), B: lambda n: 800 / (n + 1)})
    assert one.compare("throughput", A, B, ECHO).word == "more"
    assert one.compare("throughput", B, A, ECHO).word == "less"
    assert "thread reaches 80 % of that" in findings.leader(one, "throughput", ECHO)


def test_a_server_that_is_sometimes_ahead_and_sometimes_behind_is_not_called_different():
    one = summary({A: lambda n: 1000 + 50 * (-1) ** n, B: lambda n: 1000})
    assert one.compare("throughput", A, B, ECHO).word == NO_DIFFERENCE
    assert "No clear difference from thread" in findings.leader(one, "throughput", ECHO)


def test_two_rounds_allow_no_claim():
    one = summary({A: lambda n: 1000, B: lambda n: 10}, rounds=2)
    assert one.compare("throughput", A, B, ECHO).word == TOO_FEW
    assert "Too few rounds" in findings.leader(one, "throughput", ECHO)


@pytest.mark.parametrize(("limited", "word"), [(B, LIMITED), (A, "more"), (None, "more")])
def test_a_server_that_the_generator_may_have_limited_is_not_called_slower(limited, word):
    one = summary({A: lambda n: 1000, B: lambda n: 500}, limited=limited)
    assert one.compare("throughput", A, B, ECHO).word == word


def test_a_server_whose_answers_take_longer_than_a_run_is_named():
    (note,) = comparison_notes.notes(summary({A: lambda n: 1000, B: lambda n: 3}))
    assert note.startswith("An answer of thread takes longer than a run")
    assert comparison_notes.notes(summary({A: lambda n: 1000, B: lambda n: 30})) == []


@pytest.mark.parametrize("outcome", ["wrong answers", "crashed", "hung"])
def test_failed_runs_do_not_count_as_throughput(outcome):
    one = summary({A: lambda n: 1000, B: lambda n: 500})
    for run in one.results.runs:
        if run.contestant == A:
            run.failed(outcome, "because")
    assert one.values("throughput", A, ECHO) == {}
    assert [name for name, _ in one.ranking("throughput", ECHO)] == [B]
    assert one.fault(A, ECHO).outcome == outcome
    (bar,) = [bar for bar in pictures._bars_of(one, "throughput", ECHO).bars if bar.name == A]
    assert (bar.value, bar.note) == (None, f"{outcome}: because")


@pytest.mark.parametrize(
    ("outcome", "said"), [("not built", "a.c:2: error: no"), ("crashed", "last output: make: ***")]
)
def test_the_terminal_shows_the_most_telling_line_of_the_output(outcome, said):
    one = summary({A: lambda n: 1000, B: lambda n: 500})
    for run in one.results.runs:
        if run.contestant == A:
            run.failed(outcome, "because").output = "cc a.c\na.c:2: error: no\nmake: ***"
    assert f"    {said}" in [str(piece) for piece in comparison_table.report(one, [], 100)]


def test_a_server_that_clearly_stays_below_a_rate_does_not_keep_up():
    rated = Cell("echo", 10, 1000.0)
    found = results(names=(A, B), cells=[rated], rounds=6)
    for run in found.runs:
        run.load = load(1001 - run.number if run.contestant == A else 950 + run.number, 10)
    said = findings.leader(Summary(found), "throughput", rated)
    assert said == "epoll keeps up with 1000 requests/s. thread does not."
    for run in found.runs:
        run.load = load(950 + run.number, 10)
    said = findings.leader(Summary(found), "throughput", rated)
    assert said == "epoll and thread do not keep up with 1000 requests/s."


def test_one_neglected_client_in_ten_is_reported_whatever_the_index():
    one = summary({A: lambda n: 1000, B: lambda n: 1000})
    for run in one.results.runs:
        if run.contestant == B:
            run.load |= {"fairness": 0.9, "per_connection": {"min": 3, "max": 999}}
    said = findings.fairness(one, ECHO)
    assert said.startswith("1 of 2 serves its clients equally; ")
    assert said.endswith("some clients get more than others from thread (0.90: 3 to 999 answers).")


def test_slow_clients_without_echo_name_the_missing_measurement():
    slow = Cell("slow", 10)
    one = Summary(results(names=(A, B), cells=[slow], rounds=6))
    said = findings.slow(one, slow, pictures.kept_beside_slow(one, slow))
    assert said == "To see what the fast clients lose, also measure echo with the same --connections."


def test_a_name_is_not_markup():
    one = summary({A: lambda n: 1000, B: lambda n: 500})
    one.results.contestants[0]["name"] = "x[bold]/server.py"
    for run in one.results.runs:
        run.contestant = run.contestant.replace(A, "x[bold]/server.py")
    printed = Console(file=StringIO(), width=120)
    for piece in comparison_table.report(Summary(one.results), [], 120):
        printed.print(piece)
    assert "x[bold]/server.py" in printed.file.getvalue()


@pytest.mark.parametrize("width", [340, 900])
def test_the_labels_of_an_axis_are_readable(width):
    bars = Bars([Bar(name, "threads", 123_456.0) for name in (A, B)], "requests/s")
    drawn = draw(bars, width, shades({A: "threads", B: "threads"}))
    labels = re.findall(r'<text x="([0-9.]+)"[^>]*font-size="11[^>]*>([^<]*)<', drawn)
    edges = [(float(x) - len(said) * 3.1, float(x) + len(said) * 3.1) for x, said in labels]
    assert len(edges) >= 2
    assert edges[-1][1] <= width
    assert all(left[1] < right[0] for left, right in pairwise(edges))


def test_a_server_that_served_only_some_clients_is_not_called_fastest():
    one = summary({A: lambda n: 1000, B: lambda n: 500})
    for run in one.results.runs:
        if run.contestant == A:
            run.failed("partly", "1 of 10 clients were served")
    said = findings.leader(one, "throughput", ECHO)
    assert said.startswith("thread is fastest")
    assert "Left out: epoll (partly)." in said
    assert one.compare("p99", A, B, ECHO).word == NOT_WELL


def test_at_a_fixed_rate_the_finding_names_servers_that_keep_up():
    cell = Cell("echo", 10, 500.0)
    found = results(names=(A, B), cells=[cell], rounds=6)
    for run in found.runs:
        run.load = load(500 if run.contestant == A else 300, 10)
        if run.contestant == B:
            run.failed("overrun", "it did not keep up with the rate: 200 not sent")
    assert findings.leader(Summary(found), "throughput", cell) == "epoll keeps up with 500 requests/s. thread does not."


def test_a_server_that_crashed_in_some_rounds_is_not_ranked():
    one = summary({A: lambda n: 1000, B: lambda n: 500})
    for run in one.results.runs:
        if run.contestant == A and run.number % 2:
            run.failed("crashed", "it ended")
    said = findings.leader(one, "throughput", ECHO)
    assert said.startswith("thread is fastest")
    assert "Left out: epoll (crashed in 3 of 6)." in said


def test_a_fall_is_claimed_only_if_the_rounds_show_it():
    cells = [Cell("echo", 10), Cell("echo", 100)]
    for vary, fallen in ((1, True), (3, False)):
        found = results(names=(A,), cells=cells, rounds=6)
        for run in found.runs:
            few = run.cell.connections == 10
            rate = 1000 if few else 500 * vary ** (1 if run.number % 2 else -1)
            run.load = load(rate, run.cell.connections)
        assert ("falls most, to 50 %" in findings.growth(Summary(found), cells)) == fallen


def test_one_connection_hides_nothing():
    cell = Cell("sleep", 1)
    assert "no waiting to hide" in findings.sleep(Summary(results(names=(A, B), cells=[cell])), cell)


def test_a_server_whose_rounds_vary_is_not_said_to_use_one_core():
    cell = Cell("spin", 8)
    found = results(names=(A, B), cells=[cell], rounds=6)
    for run in found.runs:
        run.load = load(200 * (3.0 if run.contestant == B and run.number % 2 else 1.0), 8)
    said = findings.spin(Summary(found), cell)
    assert "epoll uses one core or less." in said
    assert "Too few rounds to judge thread." in said


def test_the_finding_gives_the_latency_in_the_picture():
    one = summary({A: lambda n: 1000, B: lambda n: 500})
    said = findings.latency(one, ECHO)
    for name in (A, B):
        assert f"{amount(one.latency(name, ECHO).percentile(99), 'seconds')} or longer with {name}" in said
    assert f"One answer in a hundred takes {amount(one.latency(A, ECHO).percentile(99), 'seconds')} or longer" in said


def test_a_limited_server_has_a_star_in_every_picture():
    one = summary({A: lambda n: 1000, B: lambda n: 500}, limited=A)
    curves = pictures._over_connections(one, [ECHO])
    assert [curve.starred for curve in curves.curves] == [True, False]
    assert ">epoll *</text>" in draw(curves, 900, shades(one.results.families))


def test_the_findings_of_a_tour_show_the_purpose_of_each_workload(drawn):
    said = {group.key: group.pictures[0].sentence for group in drawn}
    assert "With iterative, 4 slow clients block all others: head-of-line blocking" in said["slow"]
    assert "hides the back end" in said["sleep"]
    assert "an interpreter with a global lock (GIL)" in said["spin"]
    assert "compute on more than one" in said["spin"]
    assert "fork" in said["memory"]
    assert all(said.values())


def test_the_books_order_is_compared_pair_by_pair(sample):
    one = sample
    cell = classic_table.cell_of(one)
    orders = {(order.cheaper.model, order.dearer.model): order.holds for order in classic_table.orders(one, cell)}
    assert len(orders) == 28  # of all eight designs except the baseline
    assert orders["prefork", "fork"] is True
    assert orders["thread", "fork"] is True
    assert orders["prefork", "pool/parent-passes"] is True
    assert classic_table.today(one, "iterative", cell).median == 0
    assert classic_table.today(one, "fork", cell).low > 0


def test_designs_of_the_classic_table_appear_only_in_its_tables(sample, drawn):
    pieces = comparison_table.report(sample, drawn, 200)
    tables = "".join(f"{piece.title}: {list(piece.columns[0].cells)}\n" for piece in pieces if isinstance(piece, Table))
    assert [line.partition(",")[0] for line in tables.splitlines() if "prefork/mutex" in line] == ["octets"]


def test_uncounted_children_are_reported():
    one = summary({A: lambda n: 1000, B: lambda n: 500})
    for run in one.results.runs:
        run.server = Server(1, 1, 1.0, 0.5, 0.5, 0.001, 1.0, uncounted=run.contestant == A)
    group = pictures._of_figure(one, "cpu", "", "")
    assert "For epoll the kernel does not count children" in group.pictures[0].sentence


def test_against_claims_only_changes_whose_intervals_do_not_overlap():
    before = summary({A: lambda n: 1000 + n, B: lambda n: 500 + n})
    after = summary({A: lambda n: 2000 + n, B: lambda n: 501 + n})
    lines = list(describe_changes(before, after))
    assert [line for line in lines if line.startswith(A) and "requests per second up" in line]
    assert not [line for line in lines if line.startswith(B) and "requests per second" in line]


def test_against_reports_other_changes():
    before, after = (summary({A: lambda n: 1000, B: lambda n: 500}) for _ in range(2))
    after.results.machine["kernel"] = "Linux 7.0"
    after.results.interpreter["gil"] = False
    after.results.runs[0].failed("crashed", "it ended")
    lines = "\n".join(describe_changes(before, after))
    assert "kernel: Linux 6.18, now Linux 7.0" in lines
    assert "with the GIL" in lines
    assert "without the GIL" in lines
    assert "was 'measured', is 'crashed'" in lines


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (52_345, "requests/s", "52\N{NARROW NO-BREAK SPACE}300 requests/s"),
        (0.00041234, "seconds", "412 µs"),
        (1.5, "seconds", "1.5 s"),
        (0, "seconds", "0 ns"),
        (1500, "bytes", "1.46 KiB"),
        (3, "", "3"),
    ],
)
def test_numbers_have_three_significant_digits(value, unit, said):
    assert amount(value, unit) == said


@pytest.mark.parametrize(("ratio", "said"), [(1.034, "1.03 times"), (2.345, "2.3 times"), (31.4, "31 times")])
def test_a_small_difference_is_not_rounded_away(ratio, said):
    assert times(ratio) == said


def test_an_interval_names_its_unit_once():
    one = summary({A: lambda n: 1000 + n, B: lambda n: 500})
    assert interval(one.estimate("p50", A, ECHO), "seconds").count("ms") == 1
    assert number(999.6) == "1\N{NARROW NO-BREAK SPACE}000"
