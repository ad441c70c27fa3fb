"""The report: one HTML file with all pictures that loads nothing from elsewhere, and the pictures as files.

Each picture is drawn here, once wide and once narrow; the page only switches, hides and saves them. All text is
escaped, and a content security policy keeps the page from loading anything.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from threadserver.comparison import classic_table
from threadserver.comparison.charts import Group, Picture
from threadserver.comparison.colours import DARK, LIGHT, literal, mark, shades, variables
from threadserver.comparison.comparison_notes import facts, headline, notes
from threadserver.comparison.contestants import FAMILIES
from threadserver.comparison.drawing import draw
from threadserver.comparison.number_format import amount, interval, number
from threadserver.comparison.results import OUTCOMES
from threadserver.comparison.summary import FIGURES, Summary

BROAD, NARROW = 940, 350
"""The two widths of each picture, in pixels."""
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip


def page(summary: Summary, drawn: Sequence[Group]) -> str:
    """Return the report as a web page; ``drawn`` holds the pictures."""
    painted = shades(summary.results.families)
    return _templates.get_template("comparison_page.html.j2").render(
        headline=headline(summary.results),
        notes=notes(summary),
        facts=facts(summary.results),
        light=variables(LIGHT),
        dark=variables(DARK),
        legend=_legend(summary),
        groups=[_group(group, painted) for group in drawn],
        book=_book(summary),
        figures=_figures(summary),
        faults=summary.faults(),
        outcomes=OUTCOMES,
    )


def write_pictures(summary: Summary, drawn: Sequence[Group], folder: Path) -> None:
    """Write each picture as an SVG file with its title, in light colours, for slides; replace older ones."""
    painted = shades(summary.results.families)
    folder.mkdir(exist_ok=True)
    for older in folder.glob("*.svg"):
        older.unlink()
    for group in drawn:
        for picture in group.pictures:
            svg = literal(draw(picture.chart, BROAD, painted, picture.sentence), LIGHT)
            (folder / f"{_file(group, picture)}.svg").write_text(_titled(svg, group, picture), encoding="utf-8")


def _titled(svg: str, group: Group, picture: Picture) -> str:
    """Add the title above a picture, for a file on its own."""
    height = int(re.search(r'height="(\d+)"', svg)[1])  # type: ignore[index]
    head, inner = svg.split(">", 1)
    head = re.sub(r'viewBox="0 0 (\d+) \d+"', rf'viewBox="0 -44 \1 {height + 44}"', head)
    head = head.replace(f'height="{height}"', f'height="{height + 44}"')
    title = Markup.escape(f"{group.title}: {picture.choice}")
    paper = f'<rect x="0" y="-44" width="100%" height="100%" fill="{LIGHT["card"]}"/>'
    above = f'<text x="8" y="-18" font-size="18" font-weight="650" fill="{LIGHT["ink"]}">{title}</text>'
    return f"{head}>{paper}{above}{inner}"


def _file(group: Group, picture: Picture) -> str:
    return f"{group.key}-{re.sub('[^a-z0-9]+', '-', picture.choice.lower()).strip('-')}"


def _group(group: Group, painted: dict[str, tuple[str, str]]) -> dict[str, Any]:
    pictures = [
        {
            "choice": picture.choice,
            "sentence": picture.sentence,
            "file": _file(group, picture),
            "title": f"{group.title}: {picture.choice}",
            "broad": Markup(draw(picture.chart, BROAD, painted, picture.sentence)),  # noqa: S704
            "narrow": Markup(draw(picture.chart, NARROW, painted, picture.sentence)),  # noqa: S704
        }
        for picture in group.pictures
    ]
    return {"key": group.key, "title": group.title, "about": group.about, "pictures": pictures}


def _legend(summary: Summary) -> list[dict[str, Any]]:
    painted = shades(summary.results.families)
    families: dict[str, list[dict[str, str]]] = {}
    for name, family in summary.results.families.items():
        colour, kind = painted[name]
        families.setdefault(family, []).append({"name": name, "colour": colour, "path": mark(kind, 7, 7)})
    return [{"title": FAMILIES[family], "members": families[family]} for family in FAMILIES if family in families]


def _book(summary: Summary) -> list[dict[str, str]]:
    cell = classic_table.cell_of(summary)
    rows = []
    for design in classic_table.TABLE if cell else ():
        found = classic_table.today(summary, design.model, cell) if cell else None
        here = f"{found.median:.2f} s" if found else "not measured"
        bounds = f"{found.low:.2f} to {found.high:.2f}" if found and found.bounded and design.row else ""
        rows.append({"row": str(design.row), "title": design.title, "book": f"{design.seconds:.2f} s",
                     "model": design.model, "today": here, "bounds": bounds})  # fmt: skip
    return rows


def _figures(summary: Summary) -> list[dict[str, Any]]:
    """Return a table of all figures for each cell."""
    found = []
    for cell in summary.cells:
        keys = [key for key in FIGURES if any(summary.values(key, name, cell) for name in summary.results.names)]
        keys = [key for key in keys if key != "overlap" or cell.workload in ("sleep", "spin")]
        rows = [(name, [_figure(summary, key, name, cell) for key in keys], summary.word(name, cell))
                for name in summary.results.entering(cell)]  # fmt: skip
        if keys:
            found.append({"cell": str(cell), "head": [FIGURES[key].title for key in keys], "rows": rows})
    return found


def _figure(summary: Summary, key: str, name: str, cell: Any) -> tuple[str, str]:  # noqa: ANN401
    found = summary.estimate(key, name, cell)
    if found is None:
        return "", ""
    unit = FIGURES[key].unit
    plain = "" if unit == "requests/s" else unit
    star = " *" if key == "throughput" and summary.limited(name, cell) else ""
    said = amount(found.median, plain) if plain else number(found.median)
    return said + star, interval(found, plain)
