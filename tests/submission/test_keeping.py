"""No other user can read the keeper's order, and a killed keeper is noticed at once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import threadserver
from tests.conftest import eventually
from tests.submission.conftest import LISTEN, SERVE, bearing
from threadserver.submission.containment import SELF_CHECK
from threadserver.submission.machine_error import MachineError

ROOT = Path(threadserver.__file__).parents[1]


def test_no_other_user_can_read_the_order(run, folder, monkeypatch):
    """It holds an environment, and every user may read a command line."""
    monkeypatch.setenv("JUDGE_SECRET", "sesame")
    monkeypatch.setenv("PATH", f"/sesame:{os.environ['PATH']}")
    with run(folder({"server.py": SERVE})) as server:
        keeper = Path(f"/proc/{server.keeper}")
        assert keeper.joinpath("cmdline").read_bytes().endswith(b"keeper.py\0")
        for pid in (server.keeper, *server.members()):
            assert b"sesame" not in Path(f"/proc/{pid}/cmdline").read_bytes()
            assert b"sesame" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_keeper_that_is_killed_is_noticed_at_once(containment, run, folder, mark):
    """No contained submission can do that: it is the machine's fault, and nothing is left."""
    with run(folder({"server.py": LISTEN + "time.sleep(60)"})) as server:
        os.kill(server.keeper, signal.SIGKILL)
        if containment is SELF_CHECK:
            assert eventually(lambda: server.over_limit, "it is noticed") == "ended the process that had started it"
            assert server.ended() == -signal.SIGKILL
        else:
            with pytest.raises(MachineError, match="was killed from outside"):
                eventually(lambda: not server.members(), "it is noticed")
    assert bearing(mark) == []


@pytest.mark.parametrize("victim", ["judge", "command"])
def test_a_judge_that_is_killed_leaves_nothing(tmp_path, victim):
    """The next judge removes what is left, if nothing has done so before."""
    (tmp_path / "handed-in").mkdir()
    (tmp_path / "handed-in/server.py").write_text(LISTEN + "time.sleep(60)")
    temporary = tmp_path / "temporary"
    temporary.mkdir(mode=0o711)
    os.chmod(tmp_path, 0o711)
    words = [sys.executable, "-m", "threadserver", "lab", "check", str(tmp_path / "handed-in"), "--lab", "thread"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(words, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL) as command:
        eventually(lambda: list(temporary.glob("threadserver-place-*/submission/server.py")), "it is copied")
        children = Path(f"/proc/{command.pid}/task/{command.pid}/children")
        judge = int(eventually(lambda: children.read_text().split(), "the judge has been started")[0])
        os.kill(judge if victim == "judge" else command.pid, signal.SIGKILL)
        eventually(lambda: command.poll() is not None, "the command has ended")
        assert command.returncode == (3 if victim == "judge" else -signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{judge}").exists(), "the judge has ended, too")
    subprocess.run([*words, "--only", "listens"], env=environment, cwd=ROOT, capture_output=True, check=False)
    assert os.listdir(temporary) == []
