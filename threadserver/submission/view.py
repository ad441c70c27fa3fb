"""What a submission sees of the machine: programs and libraries, a Python without packages, itself. Never the labs.

Bubblewrap begins with an empty root and shows in it only what is named here. The interpreter, the kit and the private
copy may be where the submission's own user has no access (/root/.pyenv, say). So when the judge is root, the keeper
first makes them visible in the submission's place, in a mount namespace of its own.
"""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from threadserver.core.labs import PACKAGE
from threadserver.submission.limits import Limits
from threadserver.submission.place import Place

INSIDE = Path("/submission")
"""The submission's folder in bubblewrap's view."""
KIT_INSIDE = Path("/kit")
SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108
"""Folders in which every user may write."""
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = (
    "alternatives", "group", "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "nsswitch.conf",
    "passwd", "protocols", "services",
)  # fmt: skip
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "USER": "submission",  # noqa: S108
    "LOGNAME": "submission", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1",
}  # fmt: skip


def path_of_tools() -> str:
    """Return a PATH with what a build needs, and nothing else of ours."""
    found = [str(Path(tool).parent) for name in ("prlimit", "make", "cc") if (tool := shutil.which(name))]
    return ":".join(dict.fromkeys([*ENVIRONMENT["PATH"].split(":"), *found]))


def python_home() -> Path:
    """Return the folder of the interpreter itself, also from inside a virtual environment."""
    return Path(sys.base_prefix).resolve()


def python() -> Path:
    """Return the interpreter itself."""
    return Path(sys._base_executable).resolve()  # type: ignore[attr-defined]  # noqa: SLF001


def python_is_apart() -> bool:
    """Tell whether the interpreter lies outside the system's own folders."""
    return not any(python_home().is_relative_to(folder) for folder in _SYSTEM)


@cache
def hidden() -> tuple[Path, ...]:
    """Return what to hide even inside a visible folder: installed packages, and the rest of the kit."""
    ask = "import site; print('\\n'.join(site.getsitepackages()))"
    packages = subprocess.run(
        [python(), "-I", "-S", "-c", ask], capture_output=True, text=True, check=False, cwd="/"
    ).stdout.splitlines()
    rest = [(PACKAGE / "labs").resolve(), (PACKAGE / "clients").resolve(), PACKAGE.parent / "tests"]
    return tuple(path for path in dict.fromkeys([*map(Path, packages), *rest]) if path.is_dir())


def solutions() -> list[Path]:
    """Return folders that no submission may ever read."""
    return sorted((PACKAGE / "labs").resolve().glob("*/solution"))[:1]


def staging(place: Place) -> list[tuple[str, str, str]]:
    """Return the mounts that show things in a place to a user without access to the originals."""
    return [("show", str(python_home()), str(place.folder / "python"))] if python_is_apart() else []


def hiding(place: Place, limits: Limits, *, writable: bool) -> list[tuple[str, str, str]]:
    """Return the mounts that hide and show folders for a submission that has only a user id of its own."""
    masks = [("show", str(place.folder / "empty"), str(path)) for path in hidden()]
    memory = [("memory", f"size={limits.temporary},mode=1777", folder) for folder in SHARED if Path(folder).is_dir()]
    itself = [("show", str(place.folder), str(place.folder))]
    copy = [("share", str(place.copy), str(place.copy))] if writable else []
    return [*masks, *staging(place), *memory, *itself, *copy]


def confinement(place: Place, *, writable: bool) -> tuple[list[str], list[str]]:
    """Return what a submission that has only a user id of its own may read, and where it may write, for Landlock."""
    settings = [f"/etc/{name}" for name in _SETTINGS]
    readable = [*_SYSTEM, *settings, "/proc", "/sys/devices/system/cpu", str(place.folder)]
    if python_is_apart() and not place.mounted:
        readable.append(str(python_home()))
    shared = [folder for folder in SHARED if place.mounted or not PACKAGE.resolve().is_relative_to(folder)]
    return readable, [*shared, "/dev", str(place.temporary), *([str(place.copy)] if writable else [])]


def copy_kit(place: Place) -> None:
    """Copy the kit's core into a place: nothing else of the kit can be imported there."""
    target = place.folder / "kit/threadserver"
    shutil.copytree(PACKAGE / "core", target / "core", ignore=shutil.ignore_patterns("__pycache__"))
    for file in PACKAGE.glob("*.py"):
        shutil.copyfile(file, target / file.name)
    for path in (target, *target.rglob("*")):
        place.give(path, 0o750 if path.is_dir() else 0o640)


def bubblewrap(place: Place, limits: Limits, *, writable: bool, network: bool) -> list[str]:
    """Return bubblewrap's command line, up to the command that is to run inside."""
    home = place.folder / "python" if place.mounted else python_home()
    words = [
        shutil.which("bwrap") or "bwrap",
        "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        "--cap-drop", "ALL", "--new-session", "--hostname", "submission",
        *(["--disable-userns"] if _knows("--disable-userns") else []), *([] if network else ["--unshare-net"]),
        "--proc", "/proc", "--dev", "/dev", *_memory("/dev/shm", limits), *_memory("/tmp", limits),  # noqa: S108
    ]  # fmt: skip
    for folder in _SYSTEM:
        words += _system(folder)
    for name in _SETTINGS:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    if python_is_apart():
        words += ["--ro-bind", str(home), str(python_home())]
    if place.kit:
        words += ["--ro-bind", str(place.folder / "kit"), str(KIT_INSIDE)]
    for path in hidden():
        if _is_shown(path):
            words += ["--ro-bind", str(place.folder / "empty"), str(path)]
    words += ["--bind" if writable else "--ro-bind", str(place.copy), str(INSIDE), "--chdir", str(INSIDE)]
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/"]


def _memory(folder: str, limits: Limits) -> list[str]:
    return ["--size", str(limits.temporary), "--tmpfs", folder]


def _system(folder: str) -> list[str]:
    """Show a system folder as it is: today /bin is mostly a link to usr/bin."""
    if Path(folder).is_symlink():
        return ["--symlink", os.readlink(folder), folder]  # noqa: PTH115
    return ["--ro-bind", folder, folder] if Path(folder).is_dir() else []


def _is_shown(path: Path) -> bool:
    return any(path.resolve().is_relative_to(folder) for folder in (*_SYSTEM, python_home()))


@cache
def _knows(option: str) -> bool:
    """Tell whether the installed bubblewrap knows an option: old versions lack some."""
    return (
        option
        in subprocess.run(
            ["bwrap", "--help"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    )
