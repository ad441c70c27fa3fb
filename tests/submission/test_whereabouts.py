"""A Python program that hangs tells its own lines when it is aborted, and does nothing for it."""

import signal
import subprocess
import sys

from threadserver.submission.whereabouts import OPTIONS, own_lines

HANGS = """
from threading import Event, Thread

def take(ready):
    ready.set(); Event().wait()

for _ in range(2):
    ready = Event()
    Thread(target=take, args=(ready,), daemon=True).start()
    ready.wait()
print("ready", flush=True); Event().wait()
"""


def test_each_thread_is_at_a_line_of_the_students(tmp_path):
    (tmp_path / "server.py").write_text(HANGS)
    command = [sys.executable, *OPTIONS, str(tmp_path / "server.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGABRT)
        said = program.stderr.read()
    assert sorted(own_lines(said, tmp_path)) == [
        '1 thread at server.py line 11, in <module>: print("ready", flush=True); Event().wait()',
        "2 threads at server.py line 5, in take: ready.set(); Event().wait()",
    ]


def test_no_other_file_is_read_and_no_other_output_is_believed(tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "secret").write_text("one secret\n")
    said = """Fatal Python error: Aborted

Thread 0x00007f (most recent call first):
  File "/submission/../secret", line 1 in main
"""
    assert own_lines(said, tmp_path / "copy") == []
    assert own_lines('  File "server.py", line 1 in main', tmp_path / "copy") == []
