"""Archives that students hand in: the right ones are unpacked, the hostile ones refused, and nothing lies outside."""

import io
import stat
import tarfile
import zipfile

import pytest

from tests.grading.conftest import zipped
from threadserver.grading.archives import EXPORT, ArchiveError, Bounds, unpack
from threadserver.submission.limits import MIB

SMALL = Bounds(members=20, size=MIB, depth=8, hostile=True)


def tarred(file, members, mode="w:gz"):
    with tarfile.open(file, mode) as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file


def member(name, kind=tarfile.REGTYPE, link="", mode=0o644):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info, b"" if kind != tarfile.REGTYPE else b"text"


def linking_zip(file):
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return file


def lying_zip(file):
    """The directory's size is more than any honest archive's: it would be read into memory at once."""
    data = zipped(file, {"server.py": b""}).read_bytes()
    at = data.rfind(b"PK\x05\x06")
    file.write_bytes(data[: at + 12] + (1 << 30).to_bytes(4, "little") + data[at + 16 :])
    return file


def many_headers(file):
    """A tar whose header announces a gigabyte of further headers, in a stream of that size."""
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    file.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + bytes(64))
    with file.open("r+b") as sparse:
        sparse.truncate(1 << 30)
    return file


HOSTILE = {
    "absolute.zip": (lambda file: zipped(file, {"/tmp/owned": b"x"}), "absolute path"),
    "drive.zip": (lambda file: zipped(file, {"C:/owned": b"x"}), "absolute path"),
    "climbing.zip": (lambda file: zipped(file, {"a/../../owned": b"x"}), "climbs out"),
    "backslash.zip": (lambda file: zipped(file, {"..\\owned": b"x"}), "climbs out"),
    "link.zip": (linking_zip, "is a link"),
    "bomb.zip": (lambda file: zipped(file, {"zeros": bytes(2 * MIB)}), "more than 1 MiB"),
    "many.zip": (lambda file: zipped(file, {f"{number}": b"" for number in range(30)}), "more than 20 files"),
    "lying.zip": (lying_zip, "more than 20 files"),
    "deep.zip": (lambda file: zipped(file, {"a/" * 9 + "b": b""}), "more than 8 deep"),
    "twice.tar": (lambda file: tarred(file, [member("a"), member("a")], "w"), "in it twice"),
    "file-and-folder.tar": (lambda file: tarred(file, [member("a"), member("a/b")], "w"), "in it twice"),
    "climbing.tar.gz": (lambda file: tarred(file, [member("../owned")]), "climbs out"),
    "absolute.tgz": (lambda file: tarred(file, [member("/tmp/owned")]), "absolute path"),
    "link.tar": (lambda file: tarred(file, [member("out", tarfile.SYMTYPE, "/")], "w"), "is a link"),
    "hard.tar": (lambda file: tarred(file, [member("out", tarfile.LNKTYPE, "/etc/passwd")], "w"), "is a link"),
    "device.tar": (lambda file: tarred(file, [member("null", tarfile.CHRTYPE)], "w"), "is a device"),
    "fifo.tar": (lambda file: tarred(file, [member("pipe", tarfile.FIFOTYPE)], "w"), "is a device"),
    "bomb.tar.xz": (lambda file: tarred(file, [(member("zeros")[0], bytes(2 * MIB))], "w:xz"), "more than 1 MiB"),
    "headers.tar": (many_headers, "more than 3 MiB"),
    "nothing.zip": (lambda file: file.write_bytes(b"not an archive") and file, "cannot be unpacked"),
    "nothing.tar.gz": (lambda file: file.write_bytes(b"not an archive") and file, "cannot be unpacked"),
    "empty.zip": (lambda file: file.touch() or file, "cannot be unpacked"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_writes_nothing_outside(tmp_path, name):
    make, said = HOSTILE[name]
    target = tmp_path / "inner" / "target"
    target.mkdir(parents=True)
    with pytest.raises(ArchiveError, match=said) as refused:
        unpack(make(tmp_path / name), target, SMALL)
    assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.rglob("owned")] == []
    assert not any(path.is_symlink() for path in target.rglob("*"))


@pytest.mark.parametrize("name", ["right.zip", "right.tar", "right.tar.gz", "right.tbz2", "right.tar.xz"])
def test_a_right_archive_is_unpacked_without_what_nobody_wrote(tmp_path, name):
    files = {"work/server.py": b"pass\n", "work/lib/a.py": b"", "__MACOSX/work/._server.py": b"junk",
             "work/.DS_Store": b"junk", "work/.git/config": b"junk", "work/._server.py": b"junk"}  # fmt: skip
    if name.endswith("zip"):
        zipped(tmp_path / name, files)
    else:
        mode = {"right.tar": "w", "right.tar.gz": "w:gz", "right.tbz2": "w:bz2", "right.tar.xz": "w:xz"}[name]
        members = [(member(path, mode=0o755)[0], data) for path, data in files.items()]
        members.append(member("work/.venv/bin/python", tarfile.SYMTYPE, "/usr/bin/python3"))  # honest, and useless
        tarred(tmp_path / name, members, mode)
    target = tmp_path / "target"
    target.mkdir()
    unpack(tmp_path / name, target)
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()) == [
        "work/lib/a.py",
        "work/server.py",
    ]
    assert bool((target / "work/server.py").stat().st_mode & 0o100) == (not name.endswith("zip"))


def test_a_link_in_a_platforms_export_is_left_out_and_the_rest_is_read(tmp_path):
    archive = tarred(tmp_path / "class.tar", [member("ada/link", tarfile.SYMTYPE, "/"), member("ada/server.py")], "w")
    (tmp_path / "target").mkdir()
    unpack(archive, tmp_path / "target", EXPORT)
    assert [path.name for path in (tmp_path / "target" / "ada").iterdir()] == ["server.py"]
