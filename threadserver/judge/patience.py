"""How long the judge waits for a server, over a whole verdict: bounded, whatever the server does.

Every wait ends by itself when nothing more can come (`stillness`). But a server may answer one byte a second, or wake
up just often enough to look alive, in every check. So the judge adds up the seconds in which a server could have done
what the judge waited for, but did not. A correct server hardly ever makes the judge wait, and seconds in which it
waits for a processor are not counted, so a busy machine shortens nothing.
"""

from dataclasses import dataclass

HURRY = 12.0
"""Seconds of waiting, in one verdict, after which each further wait is shorter."""
MOST = 20.0
"""Seconds of waiting, in one verdict, after which no further check begins."""
SHORTER = 3  # times
OUT_OF_PATIENCE = "not tried: your program has made the judge wait for"
"""How the message of a check begins that was not tried for that reason."""


@dataclass(slots=True)
class Patience:
    """What is left of the judge's patience with one submission."""

    waited: float = 0.0
    """Seconds in which the server made the judge wait."""
    restless: bool = False
    """True once the server is known never to rest: after that the judge does not wait for it to stand still."""

    @property
    def divisor(self) -> int:
        """The number by which each wait is divided now."""
        return SHORTER if self.waited > HURRY else 1

    @property
    def exhausted(self) -> bool:
        """True when no further check begins."""
        return self.waited > MOST
