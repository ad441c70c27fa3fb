"""One cause, one report: which failing checks belong together, which comes first, and what the first screen says."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from threadserver.core.labs import labs
from threadserver.judge import first_screen, verdict_page
from threadserver.judge.cause_hints import hint
from threadserver.judge.causes import Kind, causes
from threadserver.judge.outcomes import Outcome, Result, Verdict
from threadserver.judge.student_exception import find_exception

TRACEBACK = """Traceback (most recent call last):
  File "/submission/server.py", line 77, in <module>
    main(*sys.argv[1:3])
  File "/submission/server.py", line 24, in main
    connection, client = listener.accept()
                         ^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/socket.py", line 294, in accept
    fd, addr = self._accept()
               ^^^^^^^^^^^^^^
InterruptedError: [Errno 4] Interrupted system call"""
DIED = (
    f"client 2 could not connect: connection refused; your program has ended with exit code 1; its output:\n{TRACEBACK}"
)
C_DIED = (
    "client 2 could not connect: connection refused; your program has ended with exit code 1; its output:\n"
    "accept: Interrupted system call"
)
NOT_CLOSED = (
    "client 1 half-closed, and expected the server to close; nothing came. The client has closed its side and your "
    "server still has the connection open, but no task waits for it or closes it"
)
HELD = "The process that accepts still has the connection of client 1 open"
LIMIT = "client 1 sent 'x' and expected it back; the server sent 'ERROR line longer than 4096 bytes', then it closed"
ONE_AT_A_TIME = (
    "client {} expected HELLO; nothing came. Your server serves one client at a time: it is in recv() on the "
    "connection of client 1, so client {} waits to be accepted"
)


def failed(name, message, evidence=""):
    return Result(name, 0, 1, Outcome.FAILED, f"what {name} asks", message, f"the hint of {name}", evidence, WIRE)


def blocked(name, *needs):
    return Result(name, 0, 1, Outcome.BLOCKED, "…", f"not tried: it depends on {', '.join(needs)}")


WIRE = "\n".join(["client 9   connects", "client 1   connects", *[f"client 1   > line {n}" for n in range(30)]])


def groups(*results):
    return [[one.name for one in cause.checks] for cause in causes(results)]


@pytest.mark.parametrize("said", [DIED, C_DIED])
def test_a_program_that_ends_is_one_cause(said):
    found = causes([failed("numbers", said), failed("rests", "never waits"), failed("leaving", said)])
    assert [[one.name for one in cause.checks] for cause in found] == [["numbers", "leaving"], ["rests"]]
    assert found[0].ends_the_program
    assert "SA_RESTART" in hint(found[0])


def test_connections_that_nobody_closes_are_one_cause_which_the_check_shows_that_names_the_process():
    (cause,) = causes([
        failed("half_close", NOT_CLOSED),
        failed("left_behind", "10 clients closed and are gone, but your server still has 14 descriptors (before: 4)"),
        failed("closes_connection", HELD),
    ])  # fmt: skip
    assert (cause.kind, cause.lead.name) == (Kind.LEFT_OPEN, "closes_connection")
    assert hint(cause) == "the hint of closes_connection"


def test_a_limit_that_is_misread_is_one_cause_and_is_named():
    (cause,) = causes([failed("long_lines", LIMIT), failed("slow_reader", LIMIT.replace("client 1", "client 7"))])
    assert "Your server's limit is 4096" in hint(cause)


def test_other_limits_and_other_suspicions_are_other_causes():
    assert groups(
        failed("a", LIMIT),
        failed("b", LIMIT.replace("4096", "1024")),
        failed("c", ONE_AT_A_TIME.format(2, 2)),
        failed("d", "client 3 expected HELLO; nothing came"),
        failed("e", ONE_AT_A_TIME.format(8, 8)),
        failed("f", "HELLO says worker=1/1"),
        failed("g", "HELLO says worker=1/1"),
    ) == [["c", "e"], ["a"], ["b"], ["d"], ["f"], ["g"]]


def test_zombies_are_one_cause_which_the_check_of_them_shows():
    (cause,) = causes([
        failed("left_behind", "Each time 140 clients have come and gone, your server holds more zombies: 1, then 3"),
        failed("reaped", "11 clients left at the same moment; 8 children are still zombies"),
    ])  # fmt: skip
    assert cause.lead.name == "reaped"


def test_bytes_that_a_loop_leaves_unread_are_one_cause():
    inside = (
        "process 2 is blocked in epoll_wait on the listening socket and the connection of client 1\n"
        "10784 bytes from client 1 unread"
    )
    (cause, other) = causes([
        failed("several_lines", "client 1 sent 100 lines; only 'x' (1990 bytes) came", inside),
        failed("leaving", "client 5 had 60001 bytes to send; nothing came", inside.replace("client 1", "client 5")),
        failed("another", "client 2 sent a line; nothing came", inside),
    ])  # fmt: skip
    assert ([one.name for one in cause.checks], other.lead.name) == (["several_lines", "leaving"], "another")
    assert "Edge-triggered" in hint(cause)


def test_a_client_that_complains_at_length_or_ends_with_the_wrong_code_is_one_cause():
    wordy = "Your client {}; it had to say so in 1 line on standard error, but printed 9 lines"
    code = "Your client {}, so it had to end with exit code 1; it ended with exit code 0"
    told = [
        wordy.format("was reset"),
        code.format("was reset"),
        wordy.format("was refused"),
        code.format("found no one"),
    ]
    assert groups(*[failed(str(at), one) for at, one in enumerate(told)]) == [["0", "2"], ["1", "3"]]


def test_what_explains_most_comes_first_with_the_checks_that_were_not_tried():
    results = [
        failed("numbers", "both were told connection=1"),
        failed("echo", "it got something else"),
        blocked("pieces", "echo"),
        blocked("late", "pieces", "numbers"),
    ]
    first, second = causes(results)
    assert (first.lead.name, [one.name for one in first.blocked]) == ("echo", ["pieces", "late"])
    assert (second.lead.name, second.explained) == ("numbers", 1)


def test_an_exception_shows_the_students_own_line():
    found = find_exception(TRACEBACK)
    assert found.place == "server.py line 24, in main: connection, client = listener.accept()"
    assert found.said == "InterruptedError: [Errno 4] Interrupted system call"
    assert find_exception("listening\nError: none of mine") is None


def test_a_syntax_error_and_an_address_in_use_are_said_as_such():
    wrong = '  File "/submission/server.py", line 2\n    listener.accept(\n                   ^\n'
    found = find_exception(wrong + "SyntaxError: '(' was never closed\n")
    assert (found.said, found.place) == ("SyntaxError: '(' was never closed", "server.py line 2: listener.accept(")
    in_use = TRACEBACK.replace("Interrupted system call", "Address already in use")
    assert find_exception(in_use).said == "bind: Address already in use"


def test_a_thread_that_loses_its_client_is_no_cause_while_the_server_serves():
    lost = TRACEBACK.replace("InterruptedError", "BrokenPipeError")
    (cause,) = causes([failed("echo", "it got nothing", f"one task\nThe output of your program:\n{lost}")])
    assert cause.kind is Kind.ALONE
    (cause,) = causes([failed("echo", "it got nothing", f"one task\nThe output of your program:\n{TRACEBACK}")])
    assert cause.kind is Kind.EXCEPTION


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("client 1 expected HELLO; the server reset the connection", "unread input"),
        (
            "client 1 sent an empty line and expected the same line back; the server closed the connection",
            "BlockingIOError",
        ),
        ("HELLO says worker=1/1", "the hint of one"),
    ],
)
def test_a_hint_is_about_how_the_check_failed(message, says):
    (cause,) = causes([failed("one", message)])
    assert says in hint(cause)


def screen(*results):
    written = io.StringIO()
    console = Console(file=written, width=80, force_terminal=True, color_system=None, highlight=False)
    verdict = Verdict("thread", "", list(results), seed=7)
    first_screen.show(console, next(one for one in labs() if one.name == "thread"), verdict)
    return written.getvalue()


def test_the_first_screen_holds_24_rows_of_80_columns():
    passed = [Result(f"passing_{n}", 1, 1, Outcome.PASSED, "it passes") for n in range(20)]
    inside = "\n".join(f"thread {n} is blocked in recvfrom on the connection of client {n}" for n in range(14))
    shown = screen(
        *passed, *[failed(f"check_{n}", DIED) for n in range(9)], failed("long", LIMIT * 3, inside),
        *[blocked(f"blocked_{n}", "check_1") for n in range(9)],
    )  # fmt: skip
    assert len(shown.splitlines()) <= 23
    assert all(len(row) <= 80 for row in shown.splitlines())
    assert shown.count("Interrupted system call") == 1
    assert "This ends your program in 9 checks: check_0" in " ".join(shown.split())
    assert "passing" not in shown
    assert "20 passed, 10 failed, 9 blocked" in shown


def test_the_page_keeps_every_check_and_folds_those_that_were_not_tried():
    lab = next(one for one in labs() if one.name == "thread")
    results = [failed("echo", "it got something else"), blocked("pieces", "echo"), blocked("late", "pieces")]
    page = verdict_page.render(lab, Path("ada"), Verdict("thread", "", results))
    assert page.count("<details") == 4
    assert page.count(" open>") == 1
    assert page.index("it got something else") < page.index("not tried, because of") < page.index("depends on echo")


def test_what_a_program_prints_of_its_threads_is_shown_instead_of_the_kernels_words():
    inside = "process 2 is blocked in futex\nIn your program:\n1 thread at server.py line 9, in take: lock.acquire()"
    shown = screen(failed("echo", "client 1 sent 'x'; nothing came", inside))
    assert "line 9, in take: lock.acquire()" in shown
    assert "futex" not in shown


def test_the_wire_is_about_the_clients_that_the_message_names():
    assert first_screen.about(failed("one", NOT_CLOSED), 2) == ["client 1   > line 28", "client 1   > line 29"]


def test_full_marks_are_praised_and_the_next_lab_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    shown = screen(Result("model", 1, 1, Outcome.PASSED, "it has threads"))
    assert "Well done" in shown
    assert "thread-per-connection" in shown
    assert "threadserver lab start fork" in shown
