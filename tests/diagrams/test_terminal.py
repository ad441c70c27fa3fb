"""The diagram in the terminal: on any width, in any encoding, whole or live."""

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from threadserver.core.trace import parse
from threadserver.diagrams import terminal_diagram
from threadserver.diagrams.terminal_diagram import Live, console_for, draw


def drawn(sequence, width, **options) -> list[str]:
    file = io.StringIO()
    draw(sequence, Console(file=file, width=width, highlight=False, markup=False, emoji=False, **options))
    return file.getvalue().splitlines()


def shown_steps(lines: list[str]) -> list[str]:
    """Read the steps from the lines that begin with a time."""
    words = [line.split() for line in lines]
    timed = [line for line in words if len(line) > 1 and line[0].replace(".", "").isdigit() and "." in line[0]]
    return [line[1] for line in timed if line[1].rstrip("ab").isdigit()]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_nothing_is_wider_than_the_terminal(trace, hostile, width):
    for made in (trace(clients=3), hostile):
        assert max(map(cell_len, drawn(made.sequence, width))) <= width


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_step_is_drawn(trace, width):
    sequence = trace(clients=3).sequence
    lines = drawn(sequence, width)
    assert shown_steps(lines) == [row.step for row in sequence.rows if row.step]
    assert next(line for line in lines if line.startswith("──")).startswith("── server listening ─")


def test_an_arrow_runs_from_one_lifeline_to_the_other(trace):
    lines = drawn(trace().sequence, 80)
    heading = next(line for line in lines if "time/ms" in line)
    client, listener, worker = (heading.index(label) for label in ("C1", "L", "W1"))
    by_step = {line.split()[1]: line for line in lines if line.lstrip()[:1].isdigit()}
    assert by_step["5"][client] == "├"
    assert by_step["5"][listener - 1 : listener + 1] == "▶│"
    assert by_step["8a"][worker] == "┤"
    assert by_step["8a"][listener] == "┼"
    assert by_step["8a"][client : client + 2] == "│◀"
    assert by_step["1"][listener] == "●"


def test_a_pipe_gets_plain_text(hostile, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    file = io.StringIO()
    draw(hostile.sequence, console_for(file))
    text = file.getvalue()
    assert all(c == "\n" or c.isprintable() for c in text)
    assert max(map(cell_len, text.splitlines())) == 100


def test_columns_sets_the_width_where_there_is_no_terminal(trace, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    file = io.StringIO()
    draw(trace().sequence, console_for(file))
    assert max(map(cell_len, file.getvalue().splitlines())) == 70


def test_only_terminals_that_want_colours_get_them(trace, monkeypatch):
    sequence = trace().sequence
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in "".join(drawn(sequence, 80, force_terminal=True))
    monkeypatch.setenv("NO_COLOR", "1")
    coloured = [code for line in drawn(sequence, 80, force_terminal=True) for code in line.split("\x1b[")[1:]]
    assert not any(code.startswith(("3", "9")) for code in coloured)


def test_an_encoding_without_boxes_gets_ascii(hostile):
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    draw(hostile.sequence, console_for(file))
    file.flush()
    lines = file.buffer.getvalue().decode("ascii").splitlines()
    assert max(map(len, lines)) <= 100
    assert shown_steps(lines) == [row.step for row in hostile.sequence.rows if row.step]
    assert any("->|" in line for line in lines)


def test_clients_that_do_not_fit_are_left_out_and_counted(trace):
    lines = drawn(trace(clients=8).sequence, 60)
    assert lines[-1] == "5 clients do not fit: --only 4 shows one"
    assert shown_steps(lines).count("12") == 3


# Live, with a clock of the test's own: a trace's times are compressed, so that it lies within one moment.


def recorded(made) -> list:
    """Return the records as they were written, all within ten milliseconds."""
    records = [parse(line) for path in made.paths for line in path.read_bytes().splitlines()]
    start, end = min(r.begin for r in records), max(r.time for r in records)

    def moved(time):
        return None if time is None else (time - start) / (end - start) / 100

    return sorted((replace(r, begin=moved(r.begin), end=moved(r.end)) for r in records), key=lambda r: r.time)


def live(width=100, clients=3):
    file = io.StringIO()
    return file, Live(Console(file=file, width=width, highlight=False, markup=False, emoji=False), clients)


def test_live_holds_a_row_back_until_nothing_older_can_come(trace, monkeypatch):
    records = recorded(trace())
    file, printing = live()
    monkeypatch.setattr(terminal_diagram, "monotonic", lambda: 0.02)
    for record in reversed(records):
        printing.add(record)
        printing.flush()
    assert shown_steps(file.getvalue().splitlines()) == []
    monkeypatch.setattr(terminal_diagram, "monotonic", lambda: 1.0)
    printing.flush()
    steps = ["1", "2", "3", "4", "5", "6", "7", "8", "8a", "8b", "9", "10", "11", "12"]
    assert shown_steps(file.getvalue().splitlines()) == steps
    printing.flush(final=True)
    assert shown_steps(file.getvalue().splitlines()) == steps


def test_live_prints_the_rows_that_it_held_back_in_the_end(trace, monkeypatch):
    made = trace(clients=3)
    file, printing = live()
    monkeypatch.setattr(terminal_diagram, "monotonic", lambda: 0.0)
    for record in recorded(made):
        printing.add(record)
    printing.flush()
    assert shown_steps(file.getvalue().splitlines()) == []
    printing.flush(final=True)
    assert shown_steps(file.getvalue().splitlines()) == [row.step for row in made.sequence.rows if row.step]


def test_live_explains_each_column_when_it_appears(trace):
    file, printing = live()
    for record in recorded(trace(clients=2)):
        printing.add(record)
    printing.flush(final=True)
    lines = file.getvalue().splitlines()
    assert [line.split()[0] for line in lines if line[:1] in "CLW" and line[:1]].count("W2") == 1
    assert all(label in lines[0] for label in ("C1", "C2", "C3", "L", "W1", "W2", "W3"))


@pytest.mark.parametrize(("width", "missing"), [(120, False), (60, True)])
def test_live_adds_columns_for_unexpected_clients_where_they_fit(trace, width, missing):
    made = trace(clients=5)
    file, printing = live(width, clients=1)
    for record in recorded(made):
        printing.add(record)
    printing.flush(final=True)
    lines = file.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= width
    assert ("left out" in lines[-1]) == missing
    everything = [row.step for row in made.sequence.rows if row.step]
    assert (shown_steps(lines) == everything) != missing
