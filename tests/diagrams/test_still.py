"""The still picture: one SVG that loads nothing, with every row, and the one in docs/ is what is drawn today."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from threadserver.diagrams.still import still

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def texts(picture, kind=None):
    return [one.text for one in ET.fromstring(picture).iter(f"{SVG}text") if one.get("class") == kind]


def structure(picture):
    """Return everything but the numbers that differ from run to run."""
    tree = ET.fromstring(picture)
    heads = " ".join(one.text for one in tree.iter(f"{SVG}text") if one.get("class") == "head")
    rest = [
        (one.tag, one.get("class"), one.get("x1"), one.get("x2"), one.get("y1"), masked(one.text, one.get("class")))
        for one in tree.iter()
        if one.get("class") != "head"
    ]
    return [masked(heads), *rest]


def masked(text, kind=None):
    return text if kind == "step" else re.sub(r"\d+(\.\d+)?", "#", text or "")


def test_each_row_has_its_step_its_arrow_and_its_text(trace):
    sequence = trace(clients=2).sequence
    picture = still(sequence)
    assert texts(picture, "step") == [row.step for row in sequence.rows if row.step]
    arrows = [one for one in ET.fromstring(picture).iter(f"{SVG}line") if one.get("class") == "arrow"]
    assert len(arrows) == sum(row.target is not None for row in sequence.rows)
    for row, said in zip(sequence.rows, texts(picture), strict=True):
        assert said == row.text or (said.endswith("…") and row.text.startswith(said[:-1]))
    titles = " ".join(texts(picture, "head"))
    assert titles == " ".join(one.title for one in sequence.lifelines)


def test_data_stays_text_and_nothing_is_loaded(hostile):
    picture = still(hostile.sequence)
    names = {one.tag.removeprefix(SVG) for one in ET.fromstring(picture).iter()}
    assert names == {"svg", "style", "rect", "g", "line", "path", "circle", "text"}
    assert "</script><img src=x" in "".join(filter(None, texts(picture)))
    assert re.findall(r"url\(|href|https?:", picture) == ["http:"]  # the name space alone


def test_the_picture_of_the_documents_is_what_is_drawn_today(tmp_path):
    drawn = subprocess.run([sys.executable, ROOT / "docs" / "draw.py", tmp_path], capture_output=True, text=True)
    assert drawn.returncode == 0, drawn.stderr
    kept = sorted((ROOT / "docs" / "pictures").iterdir())
    assert [path.name for path in kept] == sorted(path.name for path in tmp_path.iterdir())
    for picture in kept:
        today = (tmp_path / picture.name).read_text("utf-8")
        assert structure(picture.read_text("utf-8")) == structure(today), "run `make pictures`"
