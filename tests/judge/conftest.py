"""Labs and submissions that are written for one test."""

from pathlib import Path
from textwrap import dedent

import pytest

from threadserver.core.labs import find

TOML = 'title = "a lab of this test"\n'

# A correct thread-per-connection server, in the fewest lines; a test breaks the part that it is about.
SERVER = """\
import os
import socket
import sys
import threading


def converse(connection, number):
    ends = f"server=tcp://{ends_of(connection.getsockname())} client=tcp://{ends_of(connection.getpeername())}"
    with connection, connection.makefile("rb") as lines:
        worker = f"{os.getpid()}/{threading.get_native_id()}"
        connection.sendall(f"HELLO {ends} connection={number} worker={worker}\\n".encode())
        if lines.readline(65536).split() != [b"CONFIRM", b"%d" % number]:
            connection.sendall(b"ERROR confirmation expected: CONFIRM %d\\n" % number)
            return
        while line := lines.readline(65536):
            if not line.endswith(b"\\n"):
                if len(line) == 65536:
                    connection.sendall(b"ERROR line longer than 65536 bytes\\n")
                return
            connection.sendall(line)


def ends_of(address):
    return f"{address[0]}:{address[1]}"


def guarded(connection, number):
    try:
        converse(connection, number)
    except OSError:
        pass


listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((sys.argv[1], int(sys.argv[2])))
listener.listen(64)
number = 0
while True:
    connection, _ = listener.accept()
    number += 1
    threading.Thread(target=guarded, args=(connection, number), daemon=True).start()
"""


@pytest.fixture
def make_lab(tmp_path):
    """A lab with the rubric that a test gives."""

    def make(rubric, toml=TOML):
        folder = tmp_path / "lab"
        folder.mkdir()
        (folder / "lab.toml").write_text(toml)
        (folder / "rubric.py").write_text(
            "from threadserver.judge import UndeterminedError, WrongError, points\n" + dedent(rubric)
        )
        return find(f"{folder}/")

    return make


@pytest.fixture
def submission(tmp_path):
    """A folder with the files that a test gives, by name."""

    def make(name="submission", **files):
        folder = tmp_path / name
        folder.mkdir()
        for file, text in files.items():
            Path(folder, file.replace("_py", ".py")).write_text(text)
        return folder

    return make
