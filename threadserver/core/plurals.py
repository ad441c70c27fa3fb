"""Numbers with their noun in the right form: ``1 connection``, ``2 processes``."""


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number and its noun; ``plural`` is for a noun that does not simply take an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
