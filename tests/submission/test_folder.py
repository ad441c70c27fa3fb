"""For a folder that is not a submission, the error says which step would make it one."""

import os
import struct
import subprocess

import pytest

from tests.conftest import require
from threadserver.submission.folder import SubmissionError, find


def elf(machine, kind=2, order=1):
    """The head of a program file: elf(5)."""
    head = b"\x7fELF" + bytes([2, order, 1]) + bytes(9)
    return head + struct.pack("<HHI" if order == 1 else ">HHI", kind, machine, 1) + bytes(40)


@pytest.mark.parametrize(("files", "kind"), [
    ({"server.py": ""}, "python"), ({"server.py": "", "Makefile": "", "server": b"x"}, "python"),
    ({"Makefile": "", "server.c": ""}, "program"), ({"server": "#!/bin/sh\n"}, "program"),
])  # fmt: skip
def test_what_kind_it_is(folder, files, kind):
    found = find(folder(files))
    assert (found.kind, found.role, found.notes) == (kind, "server", ())


def test_a_client(folder):
    assert find(folder({"client.py": ""}), "client").kind == "python"
    with pytest.raises(SubmissionError, match=r"there is no server\.py in .*; there is client\.py"):
        find(folder({}))


@pytest.mark.parametrize(("files", "says"), [
    ({}, r"handed-in is empty: there is no server\.py in it"),
    ({"main.py": "", "notes.txt": ""}, r"no server\.py in .*, no Makefile and no program server; there is main\.py, "),
    ({"hw1/server.py": ""}, r"no server\.py in .*, but there is hw1/server\.py: do you mean .*/handed-in/hw1\?"),
    ({"a/b/Makefile": ""}, r"but there is a/b/Makefile: do you mean .*/a/b\?"),
    ({"Server.py": ""}, r"there is no server\.py, but there is a Server\.py: upper and lower case differ"),
    ({"makefile": ""}, "there is no Makefile, but there is a makefile: upper"),
    ({"server.py.txt": ""}, r"but there is a server\.py\.txt: rename it"),
    ({"server.py/x": ""}, r"server\.py is a folder; it should be a file"),
    ({"server": b""}, "server is empty"),
    ({"server": "echo hello\n"}, "server is neither a program of this system nor a script: a script begins with"),
    ({"server": b"#!/bin/sh\r\nexec true\r\n"}, r"ends in CR LF, .*save it with LF only \(dos2unix server\)"),
    ({"server": b"#!/no/such/python\n"}, "names an interpreter that does not exist here: /no/such/python"),
    ({"server": b"MZ\x90\x00"}, "server is a program for Windows, but this is Linux: hand in sources and a Makefile"),
    ({"server": b"\xcf\xfa\xed\xfe\x07"}, "server is a program for macOS"),
    ({"server": elf(22, order=2)}, "server is a program for s390x, but this is"),
    ({"server": elf(0x1234)}, "server is a program for machine 4660"),
    ({"server": elf(62, kind=1)}, "server was compiled but not linked: leave out -c"),
])  # fmt: skip
def test_what_is_missing(folder, files, says):
    with pytest.raises(SubmissionError, match=says) as caught:
        find(folder(files))
    assert "server.py" in caught.value.contract or "./server HOST PORT" in caught.value.contract


def test_a_lost_executable_bit(folder):
    path = folder({"server": "#!/bin/sh\n"})
    (path / "server").chmod(0o644)
    with pytest.raises(SubmissionError, match="server is not executable: chmod \\+x server"):
        find(path)


def test_a_program_of_this_machine(folder):
    require("cc")
    path = folder({"server.c": "int main(void) { return 0; }\n"})
    subprocess.run(["cc", "-o", "server", "server.c"], cwd=path, check=True)
    assert find(path).kind == "program"
    subprocess.run(["cc", "-c", "-o", "server", "server.c"], cwd=path, check=True)
    with pytest.raises(SubmissionError, match="compiled but not linked"):
        find(path)


def test_no_folder(tmp_path):
    with pytest.raises(SubmissionError, match="no such folder"):
        find(tmp_path / "nowhere")
    (tmp_path / "server.py").write_text("")
    with pytest.raises(SubmissionError, match=r"server\.py is a file; name the folder that holds it: "):
        find(tmp_path / "server.py")


def test_a_link_out_of_the_folder(folder, tmp_path):
    (tmp_path / "server.py").write_text("")
    path = folder({"x": ""})
    (path / "server.py").symlink_to(tmp_path / "server.py")
    with pytest.raises(SubmissionError, match=r"server\.py is a link to something outside the folder"):
        find(path)


def test_names_that_hide_standard_modules(folder):
    files = {"server.py": "", "socket.py": "", "queue/__init__.py": "", "csv/data.txt": "", "threadserver.py": ""}
    notes = find(folder(files)).notes
    assert notes == (
        "queue in your folder hides the standard module queue",
        "socket.py in your folder hides the standard module socket",
        "threadserver.py in your folder hides the kit's module threadserver",
    )


def test_a_folder_that_is_very_deep(folder):
    """The search for a submission in inner folders ends."""
    path = folder({})
    deep = path
    for _ in range(200):
        deep /= "d"
    os.makedirs(deep)
    with pytest.raises(SubmissionError, match=r"there is no server\.py in .*; there is d"):
        find(path)
