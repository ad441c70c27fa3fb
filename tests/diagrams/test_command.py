"""The command ``threadserver diagram``."""

import json

import pytest
from click.testing import CliRunner

from threadserver.cli import main


@pytest.fixture
def run():
    def run(*arguments, **options):
        return CliRunner().invoke(main, ["diagram", *map(str, arguments)], **options)

    return run


def test_the_terminal_is_the_default(trace, run):
    outcome = run(*trace().paths)
    assert outcome.exit_code == 0
    assert "── client request ─" in outcome.output


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("a.html", "<!DOCTYPE html>"),
        ("a.svg", "<svg "),
        ("a.mmd", "sequenceDiagram"),
        ("a.json", '{\n "traceEvents"'),
        ("a.txt", "C1 "),
    ],
)
def test_the_suffix_chooses_the_format(trace, run, tmp_path, name, beginning):
    output = tmp_path / name
    outcome = run(*trace().paths, "-o", output)
    assert (outcome.exit_code, outcome.output) == (0, "")
    assert output.read_text(encoding="utf-8").startswith(beginning)
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_format_can_be_chosen(trace, run):
    assert json.loads(run(*trace().paths, "--format", "perfetto").output)["traceEvents"]
    assert run(*trace().paths, "--format", "mermaid").output.startswith("sequenceDiagram\n")


def test_one_connection_can_be_drawn_alone(trace, run):
    made = trace(clients=3)
    text = run(*made.paths, "--only", 2).output
    assert "CONFIRM 2" in text
    assert "CONFIRM 1" not in text
    chosen = json.loads(run(*made.paths, "--only", 2, "--format", "perfetto").output)
    connections = {event["args"].get("connection") for event in chosen["traceEvents"] if event["ph"] == "X"}
    assert connections == {None, 2}


def test_a_trace_can_come_through_a_pipe(trace, run_program):
    made = trace()
    text = b"".join(path.read_bytes() for path in made.paths)
    outcome = run_program("diagram", "-", input=text)
    assert (outcome.returncode, outcome.stderr) == (0, b"")
    assert "── client request ─".encode() in outcome.stdout


@pytest.mark.parametrize(
    ("content", "arguments", "exit_code", "message"),
    [
        (b"", [], 1, "nothing to draw"),
        (b"nonsense\n", [], 2, "line 1: not a record of a trace"),
        (None, [], 2, "cannot read the trace"),
    ],
)
def test_errors_are_one_line(run, tmp_path, content, arguments, exit_code, message):
    path = tmp_path / "some.trace"
    if content is not None:
        path.write_bytes(content)
    outcome = run(path, *arguments)
    assert outcome.exit_code == exit_code
    assert message in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


def test_an_unknown_connection_is_an_error(trace, run):
    outcome = run(*trace().paths, "--only", 5)
    assert (outcome.exit_code, outcome.stderr) == (2, "threadserver: no connection 5 in this trace; it has: 1\n")


def test_a_file_that_cannot_be_written_is_an_error(trace, run, tmp_path):
    outcome = run(*trace().paths, "-o", tmp_path / "none" / "a.html")
    assert outcome.exit_code == 1
    assert "cannot write" in outcome.stderr


def test_help_has_an_example(run):
    assert "threadserver diagram run.trace -o run.html" in run("--help").output
