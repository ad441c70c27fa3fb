"""Contestants by name, by path, in any language; and the order of the rounds."""

import os
import sys
from itertools import groupby

import pytest

from tests.comparison import faulty
from threadserver.comparison import classic_table, contestants
from threadserver.comparison.campaign import plan
from threadserver.comparison.cells import TOUR, Cell
from threadserver.comparison.measuring import Pace
from threadserver.comparison.running_contestant import site
from threadserver.comparison.schedule import Schedule, carry_out
from threadserver.core import models
from threadserver.core.errors import UsageError


def test_all_models_at_hand_take_part_in_the_tour():
    names = contestants.own()
    assert {"thread", "iterative"} <= set(names) == set(models.names())
    assert all(contestants.find(name).file.is_file() for name in names)


def test_a_file_a_folder_and_a_program_are_found_by_their_path(tmp_path):
    file = faulty.write(tmp_path / "mine", "none")
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for path, name in ((file, "mine/server.py"), (file.parent, f"{tmp_path.name}/mine"), (program, None)):
        found = contestants.find(str(path))
        assert found.kind == "submission"
        assert name in (found.name, None)
    assert contestants.find(str(program)).command("echo") == [str(program), "{host}", "{port}"]


def test_echo_is_not_named_so_that_a_submission_may_take_only_two_arguments(tmp_path):
    mine = contestants.find(str(faulty.write(tmp_path / "mine", "none")))
    assert mine.command("echo", "python")[-2:] == ["{host}", "{port}"]
    assert mine.command("sleep", "python")[-3:] == ["{host}", "{port}", "sleep"]


def test_a_file_with_serve_is_a_model_unless_it_runs_by_itself(tmp_path):
    serve = '"""Mine."""\nimport socket\n\ndef serve(server):\n    raise RuntimeError\n\n'
    endings = {
        "": "model",
        "if __name__ == '__main__':\n    serve(1)\n": "submission",
        "serve(1)\n": "submission",
        "while True:\n    serve(1)\n": "submission",
        "def other(:\n": "submission",
    }
    for ending, kind in endings.items():
        (tmp_path / "mine.py").write_text(serve + ending)
        found = contestants.find(str(tmp_path / "mine.py"))
        assert (found.kind, found.family) == (kind, "own"), ending
    (tmp_path / "mine.py").write_text(serve.replace("serve", "answer"))
    assert contestants.find(str(tmp_path / "mine.py")).kind == "submission"


def test_a_folder_may_hold_a_model(tmp_path):
    (tmp_path / "server.py").write_text("def serve(server):\n    pass\n")
    with contestants.ready([contestants.find(str(tmp_path))]) as (found,):
        assert (found.kind, found.file.name) == ("model", "server.py")


def test_a_folder_in_another_language_is_built_once(tmp_path):
    (tmp_path / "Makefile").write_text("server:\n\tprintf '#!/bin/sh\\nexec sleep 60\\n' > server\n\tchmod +x server\n")
    with contestants.ready([contestants.find(str(tmp_path))]) as (built,):
        assert built.file.name == "server"
        assert built.file.is_file()
    assert not (tmp_path / "server").exists()


def test_a_file_that_is_not_executable_is_reported(tmp_path):
    (tmp_path / "server").write_text("#!/bin/sh\n")
    with pytest.raises(UsageError, match=r"chmod \+x"):
        contestants.find(str(tmp_path / "server"))


def test_equal_names_get_longer_parts_of_their_paths(tmp_path):
    files = [tmp_path / who / "lab" / "server.py" for who in ("alice", "bob")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("")
    found = contestants.gather([*map(str, files), str(files[0]), "thread"])
    assert [one.name for one in found] == ["alice/lab/server.py", "bob/lab/server.py", "thread"]
    assert [one.file for one in found[:2]] == files


def test_a_path_that_is_not_valid_text_has_a_printable_name():
    name = os.fsdecode(b"/tmp/caf\xe9/server.py")
    assert contestants.printable(name) == r"/tmp/caf\xe9/server.py"


def test_rounds_are_interleaved():
    schedule = plan([contestants.find(name) for name in ("thread", "iterative")], ["echo"], [1, 10], 2, 0.1, None)
    runs = [(number, cell.connections, one.name) for number, cell, one in schedule.runs()]
    assert runs == [(n, c, name) for n in (0, 1) for c in (1, 10) for name in ("thread", "iterative")]


def test_a_server_that_never_starts_is_tried_only_three_times(tmp_path):
    ends = contestants.find(str(faulty.write(tmp_path, "ends")))
    entering = [contestants.find("iterative"), ends]
    schedule = Schedule(entering, [Cell("churn", count) for count in (1, 2)], 3, Pace(0.05, 0.0, 5.0))
    found = carry_out(schedule, site(sys.executable), tmp_path / "results.json", lambda *_: None)
    tried = [run for run in found.runs if run.contestant == ends.name]
    assert [(run.number, run.outcome) for run in tried] == [(0, "not started"), (0, "not started"), (1, "not started")]
    assert len(found.runs) == 3 + 6


def test_a_tour_takes_about_three_minutes_for_any_number_of_servers():
    for count in (2, 11):
        one = contestants.find("thread")
        schedule = plan([one] * count, (), (), None, None, None)
        assert [name for name, _ in groupby(cell.workload for cell in schedule.cells)] == list(TOUR)
        assert 60 < schedule.seconds < 240


def test_every_design_of_the_classic_table_is_measured_in_octets_where_all_models_enter():
    everyone = [contestants.find(name) for name in contestants.own()]
    schedule = plan(everyone, ["echo", "octets"], (), None, None, None)
    echo, octets = (
        {one.name for _, cell, one in schedule.runs() if cell.workload == name} for name in ("echo", "octets")
    )
    assert echo == set(contestants.own())
    assert octets == {*echo, *(design.model for design in classic_table.TABLE)}
    assert not plan(everyone[:3], ["octets"], (), None, None, None).designs


@pytest.mark.parametrize(
    ("name", "family"),
    [("prefork/mutex", "processes"), ("pool/parent-passes", "processes"), ("poll/poll-selector", "loop")],
)
def test_a_variant_of_a_model_is_one_of_its_labs_alternatives(name, family):
    found = contestants.find(name)
    assert (found.name, found.kind, found.family) == (name, "model", family)
    assert found.file == models.variants()[name]


def test_a_rate_applies_only_to_workloads_that_have_one():
    schedule = plan([contestants.find("thread")], (), (), None, None, 100.0)
    assert Cell("echo", 8, 100.0) in schedule.cells
    assert Cell("churn", 8, None) in schedule.cells


def test_another_interpreter_reports_its_version():
    from threadserver.comparison.machine import interpreter

    found = interpreter(sys.executable)
    assert found["version"] == ".".join(map(str, sys.version_info[:3]))
    assert found["gil"] is True
    with pytest.raises(UsageError, match="not a working Python interpreter"):
        interpreter("/bin/true")
