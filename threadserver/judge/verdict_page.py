"""A verdict as an HTML page: a single file without dependencies, for a screen or for printing."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from threadserver.core.errors import KitError, reason
from threadserver.core.labs import Lab
from threadserver.core.printable import printable
from threadserver.judge.outcomes import Verdict

_templates = Environment(
    loader=PackageLoader("threadserver.judge"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write(target: Path, lab: Lab, folder: Path, verdict: Verdict) -> None:
    """Write the page to ``target``. Raises KitError when that is not possible."""
    try:
        target.write_text(render(lab, folder, verdict), encoding="utf-8")
    except OSError as error:
        raise KitError(f"cannot write {target}: {reason(error)}") from error


def render(lab: Lab, folder: Path, verdict: Verdict) -> str:
    """Return the page as HTML."""
    return _templates.get_template("verdict.html.j2").render(
        lab=lab, folder=printable(folder.name or str(folder)), verdict=verdict
    )
