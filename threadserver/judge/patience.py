"""How long the judge waits for a server, over a whole verdict: bounded, whatever the server does.

Every wait ends by itself when nothing more can come (`stillness`). But a server may answer one byte a second, or wake
up just often enough to look alive, in every check. So the seconds are added up in which a server that could have gone
on did nothing about what the judge waited for. A right server hardly ever lets the judge wait, and the seconds in
which it waits for a processor are not counted, so a busy machine shortens nothing.
"""

from dataclasses import dataclass

HURRY = 12.0
"""Seconds of waiting, in one verdict, after which the judge waits for a shorter time."""
MOST = 20.0
"""Seconds of waiting, in one verdict, after which no further check is begun."""
SHORTER = 3  # times
OUT_OF_PATIENCE = "not tried: your program has let the judge wait for"
"""How the message of a check begins that is not begun for that reason."""


@dataclass(slots=True)
class Patience:
    """What is left of the judge's patience with one submission."""

    waited: float = 0.0
    """Seconds in which the server let the judge wait."""
    restless: bool = False
    """True once the server is known never to rest: nobody waits for it to stand still after that."""

    @property
    def divisor(self) -> int:
        """By how much each wait is shorter now."""
        return SHORTER if self.waited > HURRY else 1

    @property
    def exhausted(self) -> bool:
        """True when no further check is begun."""
        return self.waited > MOST
