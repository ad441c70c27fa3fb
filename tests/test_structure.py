"""The structure of the kit: imports run one way, and no imports form a circle."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import threadserver

KIT = Path(threadserver.__file__).parent
FLOORS = (
    {"cli"},
    {"platforms"},
    {"grading", "releasing"},
    {"judge", "comparison"},
    {"submission", "inspection", "diagrams"},
    {"clients", "kernel"},
    {"core"},
)
"""The floors, top first. A package may import from floors below its own, never from its own floor or above."""
CIRCLES: set[frozenset[str]] = set()
"""Known circles. Remove a circle from this list when it is gone."""


@cache
def imports() -> dict[str, set[str]]:
    """Return every module of the kit, with the kit's modules that it imports anywhere in its code."""
    files = {_name(file): file for file in _modules(KIT)}
    return {
        name: {module for module in _imported(file) if module in files and module != name}
        for name, file in files.items()
    }


def _modules(folder: Path) -> Iterator[Path]:
    """Yield the kit's modules, without the labs, which are what students write."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and entry.name not in {"labs", "__pycache__"}:
            yield from _modules(entry)
        elif entry.suffix == ".py":
            yield entry


def _name(file: Path) -> str:
    parts = ("threadserver", *file.relative_to(KIT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{file} has a relative import"
            assert not node.level, f"{file} has a relative import"
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                yield module if _is_module(module) else node.module


def _is_module(name: str) -> bool:
    path = KIT.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def floor(module: str) -> int | None:
    """Return the floor of a module, counted from the top; None for a module without one."""
    package = module.split(".")[1] if "." in module else ""
    return next((number for number, packages in enumerate(FLOORS) if package in packages), None)


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return one circle of modules; empty when there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_imports_form_a_circle():
    graph = {name: set(needed) for name, needed in imports().items()}
    for known in CIRCLES:
        assert circle({name: graph[name] & known for name in known}), f"this circle has gone: {sorted(known)}"
        for name in known:
            graph[name] -= known
    assert circle(graph) == []


@pytest.mark.parametrize("number", range(len(FLOORS)))
def test_imports_run_one_way(number):
    upwards = {
        f"{name} -> {needed}"
        for name, all_needed in imports().items()
        for needed in all_needed
        if floor(name) == number
        and floor(needed) is not None
        and floor(needed) <= number
        and name.split(".")[1] != needed.split(".")[1]
    }
    assert upwards == set()


def test_every_package_has_a_floor():
    packages = {name.split(".")[1] for name in imports() if name.count(".") > 1}
    assert packages <= set().union(*FLOORS)


def test_the_walk_sees_imports_of_every_kind():
    assert "threadserver.judge.events" in imports()["threadserver.judge.asking"]
    assert "threadserver.judge.observing" in imports()["threadserver.judge.trial"]  # from … import a module
