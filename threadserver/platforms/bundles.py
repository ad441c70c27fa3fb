"""What an instructor uploads: the kit with one lab and its checks, and the script that the platform runs.

gradescope       a zip file with ``setup.sh`` and ``run_autograder`` in its root
classroom50      a zip file to unpack in ``CLASSROOM/autograders/ASSIGNMENT/``: ``autograder.py``, the kit as one file
github-actions   a zip file to unpack in a repository: ``.github/workflows/judge.yml``, and ``.threadserver/``
gitlab-ci        the same with ``.gitlab-ci.yml``

The kit in a bundle is the student edition with this lab: on a platform without namespaces a submission may read it.
"""

import io
import json
import re
import shlex
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from threadserver.core.errors import KitError, UsageError, reason
from threadserver.core.labs import Lab
from threadserver.grading.course import Scheme
from threadserver.platforms.platform_results import write_whole
from threadserver.releasing import edition

_TEMPLATES = Path(__file__).with_name("templates")
_DATE = (2020, 1, 1, 0, 0, 0)
"""Every file's, so that the same lab gives the same bundle."""

PLATFORMS: dict[str, tuple[dict[str, str], str]] = {
    "gradescope": ({"setup.sh": "setup.sh", "run_autograder": "run_autograder"}, ""),
    "classroom50": ({"autograder.py": "autograder.py.in"}, ""),
    "github-actions": ({".github/workflows/judge.yml": "github-actions.yml"}, ".threadserver/"),
    "gitlab-ci": ({".gitlab-ci.yml": "gitlab-ci.yml"}, ".threadserver/"),
}
"""For each platform: the template of each of its files, and the folder in which everything else lies."""


def export(platform: str, lab: Lab, scheme: Scheme, target: Path) -> list[str]:
    """Write a bundle; return the names in it. Raises KitError when it cannot be written, or exists."""
    if target.suffix != ".zip":
        raise UsageError(f"a bundle for {platform} is a zip file: name it {target}.zip")
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", lab.name):
        raise UsageError(f"the lab's folder is called {lab.name!r}: use lower-case letters, digits, - and _")
    if target.exists():
        raise KitError(f"{target} already exists; nothing was changed: choose another name")
    try:
        with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
            kit = Path(folder) / "kit"
            edition.write(kit, [lab], "visible")
            files = dict(_files(platform, lab, scheme, kit))
        write_whole(target, _zipped(files))
    except OSError as error:
        raise KitError(f"cannot write {error.filename or target}: {reason(error)}") from error
    return sorted(files)


def _files(platform: str, lab: Lab, scheme: Scheme, kit: Path) -> Iterator[tuple[str, bytes]]:
    own, inner = PLATFORMS[platform]
    for name, template in own.items():
        yield name, (_TEMPLATES / template).read_text("utf-8").replace("@LAB@", shlex.quote(lab.name)).encode()
    yield f"{inner}scheme.json", json.dumps(scheme.as_json(), indent=2).encode()
    parts = {f"kit/{file.relative_to(kit)}": file.read_bytes() for file in sorted(kit.rglob("*")) if file.is_file()}
    if platform == "classroom50":
        yield "kit.zip", _zipped(parts)
    else:
        yield from ((f"{inner}{name}", data) for name, data in parts.items())


def _zipped(files: dict[str, bytes]) -> bytes:
    """Return a zip file. What begins with ``#!`` can be run."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if data.startswith(b"#!") else 0o100644) << 16
            archive.writestr(info, data)
    return written.getvalue()
