"""Likeness: renaming hides nothing, and what everybody was given says nothing."""

import pytest

from tests.judge.conftest import SERVER
from threadserver.core.labs import find
from threadserver.grading.class_page import ClassReport, bugs, render
from threadserver.grading.grade_store import Grade
from threadserver.grading.likeness import alike
from threadserver.judge.outcomes import Outcome, Result, Verdict

OTHER = """\
import selectors
import socket
import sys

chosen = selectors.DefaultSelector()
main = socket.create_server((sys.argv[1], int(sys.argv[2])))
main.setblocking(False)
chosen.register(main, selectors.EVENT_READ, None)
waiting = {}
while True:
    for key, events in chosen.select():
        if key.data is None:
            client, where = key.fileobj.accept()
            waiting[client] = [b"HELLO", where, len(waiting)]
            chosen.register(client, selectors.EVENT_READ, waiting[client])
        elif events & selectors.EVENT_READ and not (data := key.fileobj.recv(4096)):
            chosen.unregister(key.fileobj)
            del waiting[key.fileobj]
        else:
            key.fileobj.send(data + b"")
"""


@pytest.fixture
def folders(tmp_path):
    def make(**texts):
        for name, text in texts.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / "server.py").write_text(text)
        return {name: tmp_path / name for name in texts}

    return make


def test_renaming_comments_and_order_of_imports_hide_nothing(folders):
    renamed = (
        SERVER.replace("connection", "link")
        .replace("number", "n")
        .replace("import socket\nimport sys", "import sys\nimport socket")
    )
    renamed = renamed.replace("    with link", "    # all mine\n\n    with link")
    (pair,) = alike(folders(ada=SERVER, grace=renamed, linus=OTHER), [])
    assert {pair.first, pair.second} == {"ada", "grace"}
    assert pair.share > 0.8
    assert ("server.py", 1 + SERVER.splitlines().index("def ends_of(address):")) in pair.lines[0]


def test_the_class_page_shows_a_pair_line_by_line_and_names_bugs_by_their_words(folders):
    lab = find("thread")
    failed = Result("model", 0, 12, Outcome.FAILED, "it is threads", "your workers start() and then join(): one by one")
    grades = [Grade(one, one, 0, 100, "graded", "", 1, 0, "c", "r", "k", "") for one in ("ada", "grace")]
    texts = folders(ada=SERVER + "<script>\n", grace=SERVER)
    report = ClassReport(lab, grades, {"ada": Verdict("thread", "user", [failed])}, [], [], alike(texts, []))
    assert [bug.students for bug in bugs(report)] == [["ada"]]
    page = render(report, texts.__getitem__)
    assert "<mark>def ends_of(address):</mark>\n" in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


def test_what_the_starter_gives_is_nobodys(folders):
    found = folders(starter=SERVER, ada=SERVER + "print(1)\n", grace=SERVER + "print(2)\n")
    starter = found.pop("starter")
    assert alike(found, [starter]) == []
    assert len(alike(found, [])) == 1
