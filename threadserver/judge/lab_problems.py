"""Find what is wrong with a lab itself, without judging: ``lab.toml`` says one thing, and the lab's files another."""

from collections.abc import Sequence

from threadserver.core.labs import FILE, Lab, folders, rubrics_are_hidden, unknown_keys
from threadserver.judge import rubric_reading
from threadserver.kernel.testimony import MODELS


def problems(labs: Sequence[Lab]) -> dict[str, list[str]]:
    """Return what is wrong with each lab, by the lab's name; an empty list for a lab without problems."""
    rubrics = {} if rubrics_are_hidden() else rubric_reading.read(lab.rubric for lab in labs)
    return {lab.name: [*_points(lab, rubrics.get(lab.rubric.resolve())), *_said(lab), *_files(lab)] for lab in labs}


def _points(lab: Lab, rubric: rubric_reading.Checks | str | None) -> list[str]:
    if rubric is None:
        return []
    if isinstance(rubric, str):
        return [f"rubric.py cannot be read: {rubric}"]
    worth = sum(points for points, _ in rubric.values())
    if worth == lab.points:
        return []
    return [f"{FILE} says {lab.points:g} points, but the checks of rubric.py are worth {worth:g}"]


def _said(lab: Lab) -> list[str]:
    found = [f"{FILE} has an unknown key {key!r}" for key in unknown_keys(lab)]
    if lab.role not in {"server", "client"}:
        found.append(f"{FILE}: role = {lab.role!r} is neither server nor client")
    elif lab.role == "server" and lab.model not in MODELS:
        found.append(f"{FILE}: model = {lab.model!r} is none of {', '.join(MODELS)}")
    known = {folder.name for folder in folders()} | {folder.name for folder in lab.folder.resolve().parent.glob("*/")}
    found += [f"{FILE}: needs lists {name!r}, but there is no such lab" for name in lab.needs if name not in known]
    return found


def _files(lab: Lab) -> list[str]:
    promised = {language: "starter" if language == "python" else f"starter-{language}" for language in lab.languages}
    found = [
        f"{FILE}: languages lists {language!r}, but there is no folder {folder}/"
        for language, folder in promised.items()
        if not (lab.folder / folder).is_dir()
    ]
    found += [
        f"{FILE} says that {name} is a model of the kit, but there is no {file.relative_to(lab.folder)}"
        for name, file in lab.models.items()
        if not file.is_file()
    ]
    if (lab.kit_model or lab.variants) and not lab.kit:
        found.append(f"{FILE}: a model of the kit imports threadserver, so kit must be true")
    return found
