"""The scripted server, with clients that do nothing, do too much, or leave early."""

import pytest

from threadserver.core.labs import find
from threadserver.judge import asking
from threadserver.judge.outcomes import Outcome

CONFIRMS = """\
import os
import socket
import sys

connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
lines = connection.makefile("rb")
hello = lines.readline()
connection.sendall(b"CONFIRM " + hello.split(b"connection=")[1].split()[0] + b"\\n")
"""


def check(folder, only):
    verdict = asking.check(find("client"), folder, only=[only])
    return next(one for one in verdict.checks if one.name == only)


@pytest.mark.parametrize(
    ("program", "only", "says"),
    [
        ("", "reaches", "had to connect to HOST and PORT; it has ended with exit code 0"),
        ("import signal\nsignal.pause()\n", "reaches", "had to connect to HOST and PORT; nothing came"),
        (CONFIRMS + "os._exit(3)\n", "answers", "nothing came, then it ended its side of the connection"),
        (CONFIRMS + "lines.readline()\n", "answers", "It waits for bytes from the server"),
        (CONFIRMS + "while True: print('x' * 1000)\n", "answers", "it prints without end"),
        (CONFIRMS + "for line in sys.stdin.buffer: connection.sendall(line.upper())\n", "answers", "it sent 'LINE 1"),
    ],
    ids=["ends at once", "never connects", "leaves", "sends nothing", "prints without end", "sends something else"],
)
def test_a_client_that_does_not_converse_fails_and_is_told_why(submission, program, only, says):
    result = check(submission(**{"client.py": program}), only)
    assert result.outcome is Outcome.FAILED
    assert says in result.message


def test_the_transcript_holds_both_sides_of_the_conversation_and_the_standard_streams(submission):
    program = CONFIRMS + "print('not asked for', flush=True)\nraise SystemExit('gave up')\n"
    transcript = check(submission(**{"client.py": program}), "answers").transcript
    for piece in ("server     > HELLO", "server     < CONFIRM", "stdin      > line 1", "stderr     < gave up",
                  "stdout     < not asked for", "client      ends with exit code 1"):  # fmt: skip
        assert piece in transcript


def test_a_program_in_another_language_is_a_client_too(submission):
    folder = submission(Makefile="client: client.sh\n\tcp client.sh client\n\tchmod +x client\n", **{
        "client.sh": "#!/bin/sh\necho 'no network in here' >&2\nexit 1\n",
    })  # fmt: skip
    assert "it has ended with exit code 1" in check(folder, "reaches").message
