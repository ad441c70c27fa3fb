"""A process chooses its own name and command line: every view shows what would steer a terminal as an escape."""

import json
import sys

import pytest

from threadserver.submission.starting import started

NAME = "\x1b[2J\u202eab"  # at most 15 bytes, prctl(2)
SHOWN_NAME = r"\x1b[2J\u202eab"
WORD = "\x1b]0;title\x07\u2066[bold]<b>\u200b"
SHOWN_WORD = r"\x1b]0;title\x07\u2066[bold]<b>\u200b"
CODE = f"""
import socket, sys
open("/proc/self/comm", "wb").write({NAME.encode()!r})
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    listener.accept()
"""


@pytest.fixture(scope="module")
def server():
    with started([sys.executable, "-c", CODE.strip(), "{host}", "{port}", WORD]) as server:
        yield server


def is_harmless(text):
    return all(one == "\n" or one.isprintable() for one in text)


def test_in_the_table(server, threadserver):
    shown = threadserver("inspect", server.pid).stdout
    assert is_harmless(shown)
    assert SHOWN_NAME in shown


def test_in_the_tree(server, threadserver):
    shown = threadserver("inspect", server.pid, "--tree").stdout
    assert is_harmless(shown)
    assert SHOWN_NAME in shown
    assert SHOWN_WORD in shown


def test_in_the_list(server, threadserver):
    shown = threadserver("inspect").stdout
    assert is_harmless(shown)
    assert f"{server.pid} {SHOWN_NAME}" in shown


def test_on_the_page(server, threadserver, tmp_path):
    assert threadserver("inspect", NAME, "--output", tmp_path / "page.html").returncode == 0
    page = (tmp_path / "page.html").read_text()
    assert is_harmless(page)
    assert SHOWN_NAME in page
    assert "<b>" not in page


def test_in_an_error(threadserver):
    said = threadserver("inspect", f"no{WORD}").stderr
    assert is_harmless(said)
    assert "no process is called" in said


def test_json_keeps_the_name_itself(server, threadserver):
    shown = threadserver("inspect", server.pid, "--json").stdout
    assert shown.isascii()
    assert json.loads(shown)["processes"][0]["name"] == NAME
