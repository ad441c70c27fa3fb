"""Examine a program file before running it: the kernel would only say "exec format error"."""

import os
import platform
import stat
import struct
import sys
from pathlib import Path

_ELF = b"\x7fELF"
_FOREIGN = {
    b"MZ": "Windows", b"\xcf\xfa\xed\xfe": "macOS", b"\xce\xfa\xed\xfe": "macOS", b"\xca\xfe\xba\xbe": "macOS or Java",
    b"!<arch>": "no system: it is a library",
}  # fmt: skip
_MACHINES = {3: "x86 (32 bit)", 40: "ARM (32 bit)", 62: "x86-64", 183: "ARM (64 bit)", 243: "RISC-V", 22: "s390x"}
_RELOCATABLE = 1  # what `cc -c` makes
_ALSO = {62: {3}, 183: {40}}  # machines that may also run the programs of another kind


def complaint(path: Path) -> str:
    """Return why a file cannot be run on this machine; empty when nothing speaks against it."""
    mode = path.stat().st_mode
    name = path.name
    with path.open("rb") as file:
        head = file.read(256)
    if not head:
        return f"{name} is empty"
    if why := _wrong_kind(name, head):
        return why
    if not mode & stat.S_IXUSR:
        return f"{name} is not executable: chmod +x {name}"
    return ""


def _wrong_kind(name: str, head: bytes) -> str:
    if head.startswith(b"#!"):
        return _script(name, head.partition(b"\n")[0])
    if head.startswith(_ELF):
        return _elf(name, head)
    for magic, system in _FOREIGN.items():
        if head.startswith(magic):
            return f"{name} is a program for {system}, but this is {platform.system()}: hand in sources and a Makefile"
    return f"{name} is neither a program of this system nor a script: a script begins with a line like #!/bin/sh"


def _script(name: str, first: bytes) -> str:
    if first.endswith(b"\r"):
        return (
            f"the first line of {name} ends in CR LF, as on Windows, so the kernel looks for an interpreter whose name "
            f"ends in CR: save it with LF only (dos2unix {name})"
        )
    words = first[2:].split()
    interpreter = os.fsdecode(words[0]) if words else ""
    if not Path(interpreter).is_file():
        return f"the first line of {name} names an interpreter that does not exist here: {interpreter or 'none'}"
    return ""


def _elf(name: str, head: bytes) -> str:
    kind, machine = _kind_and_machine(head)
    with open(sys.executable, "rb") as file:
        ours = _kind_and_machine(file.read(20))[1]
    if kind == _RELOCATABLE:
        return f"{name} was compiled but not linked: leave out -c"
    if machine != ours and machine not in _ALSO.get(ours, set()):
        theirs = _MACHINES.get(machine, f"machine {machine}")
        return f"{name} is a program for {theirs}, but this is {platform.machine()}: hand in sources and a Makefile"
    return ""


def _kind_and_machine(head: bytes) -> tuple[int, int]:
    """Read e_type and e_machine of an ELF header: elf(5)."""
    if len(head) < 20:
        return 0, 0
    order = "<" if head[5] == 1 else ">"
    kind, machine = struct.unpack(f"{order}HH", head[16:20])
    return kind, machine
