"""Two submissions that root runs never share a user id, whichever judge runs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import threadserver
from threadserver.core.errors import KitError
from threadserver.submission import user_ids
from threadserver.submission.keeping import Order, keep
from threadserver.submission.output import Output
from threadserver.submission.user_ids import reserved_user

ROOT = Path(threadserver.__file__).parents[1]
TWO = (61_500, 61_501)


@pytest.fixture(autouse=True)
def _two_candidates(monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("only root runs submissions as others")
    monkeypatch.setattr(user_ids, "candidates", lambda: TWO)


def test_each_judge_gets_another():
    """Two judges are forced to the same candidates; a third finds none, until one of them has ended."""
    code = (
        "import sys\nfrom threadserver.submission import user_ids\n"
        f"user_ids.candidates = lambda: {TWO}\n"
        "with user_ids.reserved_user() as one:\n    print(one.user, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as other:
        theirs = int(other.stdout.readline())
        with reserved_user() as ours:
            assert {theirs, ours.user} == set(TWO)
            with pytest.raises(KitError, match="no user id is free"), reserved_user():
                pass
        other.kill()
        other.wait()
        with reserved_user() as one, reserved_user() as another:
            assert {one.user, another.user} == set(TWO)


def test_it_is_reserved_until_the_last_process_has_ended():
    """The keeper holds the lock, too: a judge that is killed leaves no id whose processes still end."""
    output = Output()
    with reserved_user() as first:
        order = Order(["sleep", "60"], {"PATH": "/usr/bin:/bin"}, "/", first.user, lock=first.lock)
        keeper = keep(order, output)
    try:
        with reserved_user() as second:
            assert second.user != first.user
            with pytest.raises(KitError), reserved_user():
                pass
    finally:
        keeper.stop()
    with reserved_user(), reserved_user():
        pass


def test_an_id_with_processes_is_in_use():
    with subprocess.Popen(["sleep", "60"], user=TWO[0]) as sleeping:
        with reserved_user() as one:
            assert one.user == TWO[1]
        sleeping.kill()


def test_the_folder_of_the_locks_is_roots_alone(tmp_path, monkeypatch):
    """A folder that another user has made is not used: its owner could hold every lock."""
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "theirs").mkdir(mode=0o700)
    os.chown(tmp_path / "theirs", 1000, 1000)
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    os.chmod(tmp_path / "open", 0o777)
    names = [str(tmp_path / name) for name in ("open", "theirs", "link")]
    monkeypatch.setattr(user_ids, "FOLDERS", names)
    with pytest.raises(KitError, match="no user id can be reserved"), reserved_user():
        pass
    monkeypatch.setattr(user_ids, "FOLDERS", [*names, str(tmp_path / "ours")])
    with reserved_user():
        assert (tmp_path / "ours").stat().st_mode & 0o777 == 0o700
