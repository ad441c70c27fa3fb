"""A private copy is bounded, holds nothing from elsewhere, and is built in the same containment."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import threadserver
from tests.conftest import dial, read_all, require
from tests.submission.conftest import SERVE, bearing
from threadserver.core.errors import KitError
from threadserver.submission import copying, temporary
from threadserver.submission.containment import BUBBLEWRAP, SELF_CHECK
from threadserver.submission.folder import SubmissionError, find
from threadserver.submission.limits import MIB, Limits
from threadserver.submission.preparing import prepared
from threadserver.submission.server_program import running

ROOT = Path(threadserver.__file__).parents[1]
SERVER_C = r"""
#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>
int main(int count, char **words) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
    inet_pton(AF_INET, words[1], &address.sin_addr);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (count < 3 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 5)) return 1;
    for (;;) {
        char bytes[1000];
        int connection = accept(listener, NULL, NULL);
        write(connection, bytes, read(connection, bytes, sizeof bytes));
        close(connection);
    }
}
"""
MAKEFILE = "server: server.c\n\tcc -O1 -Wall -Wno-unused-result -o server server.c\n"


@pytest.fixture
def built(containment, folder, mark):
    """Prepare a folder; nothing of it is left afterwards."""
    require("make", "cc")
    places = []

    def prepare(files, **options):
        ready = prepared(find(folder(files)), containment, **options)
        with ready as made:
            places.append(made.place.folder)
            return made

    yield prepare
    assert bearing(mark) == []
    assert not [place for place in places if place.exists()]


def test_a_server_in_c(containment, folder):
    """It is built in its copy, and the submitted folder stays as it was."""
    require("make", "cc")
    path = folder({"server.c": SERVER_C, "Makefile": MAKEFILE})
    with prepared(find(path), containment) as ready, running(ready) as server:
        with dial(server.address) as client:
            client.sendall(b"hello")
            assert read_all(client) == b"hello"
        mode = (ready.place.copy / "server").stat()
        assert ready.place.user is None or (mode.st_uid, mode.st_mode & 0o022) == (0, 0)
    assert sorted(os.listdir(path)) == ["Makefile", "server.c"]


def test_a_makefile_with_cr_lf(containment, folder):
    require("make", "cc")
    path = folder({"server.c": SERVER_C, "Makefile": MAKEFILE.replace("\n", "\r\n").encode()})
    with prepared(find(path), containment) as ready:
        assert (ready.place.copy / "server").stat().st_mode & stat.S_IXUSR


def test_the_compiler_says_why(built):
    with pytest.raises(SubmissionError, match="make failed with exit code 2") as caught:
        built({"server.c": "int main(void) { return missing; }\n", "Makefile": MAKEFILE})
    assert "server.c:1:" in caught.value.output
    assert "missing" in caught.value.output
    assert "Makefile that builds ./server" in caught.value.contract


@pytest.mark.parametrize(("recipe", "says"), [
    ("true", "make ran, but it made no server"),
    ("mkdir server", "make ran, but it made no server"),
    ("ln -s /etc/passwd server", "make ran, but it made no server"),
    ("touch server", "server is empty"),
    ("printf '#!/bin/sh\\n' > server", "server is not executable"),
    ("sleep 60", "make was ended: it took longer than 1 s"),
    ("yes", "make was ended: it printed more than 1 MiB"),
    ("head -c 300000000 /dev/zero | tail -c 300000000 | sleep 60", "ended: it used more than 100 MiB of memory"),
    ("for n in 1 2 3 4; do head -c 20000000 /dev/zero > $$n; done; sleep 60", "ended: it wrote more than 60 MiB"),
])  # fmt: skip
def test_make_goes_wrong(built, recipe, says):
    limits = Limits(build=1.0 if recipe == "sleep 60" else 30.0, output=MIB, memory=100 * MIB, disk=60 * MIB)
    with pytest.raises(SubmissionError, match=says):
        built({"Makefile": f"all:\n\t@{recipe}\n"}, limits=limits)


def test_make_leaves_a_daemon(built):
    built({"Makefile": "all:\n\t@setsid sleep 60 & printf '#!/bin/sh\\n' > server; chmod +x server\n"})


def test_a_build_reaches_no_network(folder):
    require("make", "bwrap")
    recipe = "grep -c : /proc/net/dev | grep -qx 1 && printf '#!/bin/sh\\n' > server && chmod +x server"
    with prepared(find(folder({"Makefile": f"all:\n\t{recipe}\n"})), BUBBLEWRAP) as ready:
        assert ready.command == ["./server"]


def test_a_program_for_another_system_that_make_left(built):
    """It is newer than its sources, so make has nothing to do."""
    with pytest.raises(SubmissionError, match="server is a program for macOS"):
        built({"Makefile": "server:\n", "server": b"\xcf\xfa\xed\xfe\x07"})


def test_what_is_copied(containment, folder, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    path = folder({"server.py": SERVE, "data/text.txt": "text", "__pycache__/server.pyc": "x", ".git/config": "x"})
    (path / "inside.txt").symlink_to("data/text.txt")
    (path / "data/up.txt").symlink_to("../data/text.txt")
    (path / "outside.txt").symlink_to(tmp_path / "secret.txt")
    (path / "outside").symlink_to("..")
    os.mkfifo(path / "pipe")
    with prepared(find(path), containment) as ready:
        copied = sorted(str(file.relative_to(ready.place.copy)) for file in ready.place.copy.rglob("*"))
        assert copied == ["data", "data/text.txt", "data/up.txt", "inside.txt", "server.py"]
        assert (ready.place.copy / "inside.txt").read_text() == (ready.place.copy / "data/up.txt").read_text() == "text"
        assert ready.notes == (
            "outside leads out of the folder and was left out",
            "outside.txt leads out of the folder and was left out",
            "pipe is not a file and was left out",
        )
        if containment is not SELF_CHECK and ready.place.user is not None:
            others = [
                file for file in [ready.place.folder, *ready.place.copy.rglob("*")] if file.stat().st_mode & 0o007
            ]
            assert others == []


def test_too_much(containment, folder, monkeypatch):
    path = folder({"server.py": "", "a": "x" * 5000, "b": "x" * 5000})
    monkeypatch.setattr(copying, "MOST_BYTES", 9000)
    with pytest.raises(SubmissionError, match="holds more than"), prepared(find(path), containment):
        pass
    monkeypatch.setattr(copying, "MOST_BYTES", 10000)
    with prepared(find(path), containment):
        pass
    monkeypatch.setattr(copying, "MOST_FILES", 2)
    with pytest.raises(SubmissionError, match="holds more than 2 files"), prepared(find(path), containment):
        pass


def test_what_a_killed_judge_leaves_is_removed_by_the_next(tmp_path, monkeypatch):
    """The next judge removes it at once, but not what a living judge holds."""
    code = (
        "import sys, time\nfrom threadserver.submission.place import place\n"
        "with place(own_user=False) as made:\n    print(made.folder, flush=True); time.sleep(60)"
    )
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as judge:
        left = Path(judge.stdout.readline().strip())
        assert left.parent == tmp_path
        temporary.remove_stale()
        assert left.is_dir()
        judge.kill()
    temporary.remove_stale()
    assert not left.exists()


def test_a_file_that_we_may_not_read(folder):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = folder({"server.py": "", "a": ""})
    (path / "a").chmod(0)
    with pytest.raises(KitError, match=r"cannot read .*/a: permission denied"), prepared(find(path), SELF_CHECK):
        pass


def test_without_make(folder, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with (
        pytest.raises(KitError, match="make is not installed") as caught,
        prepared(find(folder({"Makefile": ""})), SELF_CHECK),
    ):
        pass
    assert not isinstance(caught.value, SubmissionError)  # this one is not the student's


def deep(path, depth, name):
    """Make folders in folders, deeper than any path can be long."""
    here = os.open(path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


@pytest.mark.parametrize(("depth", "name"), [(40, "d"), (3000, "d"), (20, "d" * 250)], ids=["deep", "deeper", "long"])
def test_folders_that_are_too_deep(containment, folder, depth, name):
    """That is the submission's own fault, and the error says so."""
    path = folder({"server.py": SERVE})
    deep(path, depth, name)
    with pytest.raises(SubmissionError, match=r"more than 32 deep|is too long"), prepared(find(path), containment):
        pass
    subprocess.run(["rm", "-rf", path], check=True)


def test_a_build_that_makes_deep_folders(built):
    """They are removed anyway."""
    deepen = "import os\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\n"
    recipe = "/usr/bin/python3 deepen.py; printf '#!/bin/sh\\n' > server; chmod +x server"
    built({"Makefile": f"all:\n\t@{recipe}\n", "deepen.py": deepen})


def test_links_in_circles_and_special_files(containment, folder):
    """What can be left out is left out; a server.py that is not a file is named."""
    path = folder({"server.py": SERVE})
    (path / "one").symlink_to("two")
    (path / "two").symlink_to("one")
    (path / "self").symlink_to(".")
    os.mkfifo(path / "\x1b[2Jpipe")
    with prepared(find(path), containment) as ready:
        assert sorted(ready.notes) == [
            "\\x1b[2Jpipe is not a file and was left out",
            "one is a link that leads in a circle and was left out",
            "two is a link that leads in a circle and was left out",
        ]
    (path / "server.py").unlink()
    os.mkfifo(path / "server.py")
    with pytest.raises(SubmissionError, match=r"server\.py is not a regular file"):
        find(path)
    (path / "server.py").unlink()
    (path / "server.py").symlink_to("server.py")
    with pytest.raises(SubmissionError, match=r"server\.py is a link that leads in a circle or to nothing"):
        find(path)
