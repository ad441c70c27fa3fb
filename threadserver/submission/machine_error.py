"""What a machine lacks for judging: an error of the judge, never a grade."""

from threadserver.core.errors import KitError
from threadserver.core.printable import printable


class MachineError(KitError):
    """The machine cannot judge. The message is one line, and says what to change."""

    exit_code = 3

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))
