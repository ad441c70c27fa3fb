"""A private copy of a submission, built if necessary: what is judged cannot change while it is judged."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from threadserver.core.errors import reason
from threadserver.submission import whereabouts
from threadserver.submission.containment import Containment, own_user, python_for, wrap
from threadserver.submission.copying import copy
from threadserver.submission.folder import Submission, SubmissionError, check_program, holds, is_file
from threadserver.submission.keeping import keep
from threadserver.submission.limits import MIB, Limits
from threadserver.submission.machine_error import MachineError
from threadserver.submission.output import Output
from threadserver.submission.place import Place, place
from threadserver.submission.view import copy_kit


@dataclass(frozen=True, slots=True)
class Prepared:
    """A submission that can be started."""

    submission: Submission
    containment: Containment
    place: Place
    notes: tuple[str, ...] = ()
    """Remarks for the student that are not errors."""

    @property
    def command(self) -> list[str]:
        """The command line that starts it, without HOST and PORT."""
        if self.submission.kind == "python":
            return [str(python_for(self.containment, self.place)), *whereabouts.OPTIONS, f"{self.submission.role}.py"]
        return [f"./{self.submission.role}"]


@contextmanager
def prepared(
    submission: Submission, containment: Containment, *, kit: bool = False, limits: Limits | None = None
) -> Iterator[Prepared]:
    """Copy a submission to a place of its own and build it; ``kit``: it may import threadserver.

    Raises SubmissionError when it is too large or cannot be built, MachineError when this machine does not allow it.
    """
    limits = limits or Limits()
    with place(own_user=own_user(containment), kit=kit) as made:
        if submission.kind == "program" and not made.runs_programs:
            raise MachineError(
                f"{made.folder.parent} is mounted noexec, so no program in C can run there, and there is no other "
                "folder for temporary files: set TMPDIR to one on a file system mounted without noexec"
            )
        if kit:
            _copy_kit(made)
        notes = copy(submission.folder, made)
        if submission.is_built:
            _require_disk(made, limits)
            _build(submission, containment, made, limits)
        yield Prepared(submission, containment, made, submission.notes + tuple(notes))


def _copy_kit(place: Place) -> None:
    try:
        copy_kit(place)
    except (OSError, shutil.Error) as error:
        why = reason(error) if isinstance(error, OSError) and error.errno else "perhaps the disk is full"
        raise MachineError(f"cannot copy the kit to {place.folder}: {why}; set TMPDIR to another folder") from error


def _require_disk(place: Place, limits: Limits) -> None:
    """Raise MachineError if a build could fill the disk: that would look like the submission's mistake."""
    free = shutil.disk_usage(place.folder).free
    if free < limits.disk:
        raise MachineError(
            f"only {free // MIB} MiB are free in {place.folder.parent}, but a build may need {limits.disk // MIB} MiB: "
            "set TMPDIR to a folder with more space"
        )


def _build(submission: Submission, containment: Containment, place: Place, limits: Limits) -> None:
    """Run make in the private copy, contained like the submission itself: a Makefile is a program, too."""
    if not shutil.which("make"):
        raise MachineError("make is not installed, but this submission needs it (apt install make gcc)")
    if place.user is not None:
        place.hand_over(place.user)
    output = Output(limits.output)
    keeper = keep(wrap(containment, place, ["make"], limits, building=True), output)
    try:
        in_time = keeper.wait(limits.build)
    finally:
        keeper.stop()
        output.finish(1.0)
    if place.user is not None:
        place.hand_over(0)
    contract, said = holds(submission.role), str(output)
    if keeper.over or keeper.failed or not in_time:
        why = keeper.over or keeper.failed or f"took longer than {limits.build:g} s"
        raise SubmissionError(f"make was ended: it {why}", contract, said)
    if keeper.exit_code != 0:
        raise SubmissionError(f"make failed with exit code {keeper.exit_code}", contract, said)
    if not is_file(place.copy, submission.role):
        raise SubmissionError(f"make ran, but it made no {submission.role}", contract, said)
    check_program(place.copy / submission.role, submission.role)
