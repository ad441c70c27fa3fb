"""Format numbers and lists for sentences: three significant digits, and a unit that fits."""

from collections.abc import Sequence

from threadserver.comparison.intervals import Estimate

EXACT = 10_000
THIN = "\N{NARROW NO-BREAK SPACE}"
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTES = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "bytes"))


def number(value: float) -> str:
    """Format with three significant digits and spaced thousands: 52 300, 1.25; exact for integers below 10 000."""
    if value == round(value) and abs(value) < EXACT:
        return f"{round(value):,}".replace(",", THIN)
    digits = max(2 - _exponent(value), 0) if abs(value) < 100 else 0
    rounded = round(value, digits) if digits else round(value, 2 - _exponent(value))
    text = f"{rounded:,.{digits}f}".replace(",", THIN)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _exponent(value: float) -> int:
    return int(f"{abs(value):e}".partition("e")[2])


def amount(value: float, unit: str) -> str:
    """Format a value with its unit; seconds and bytes in the multiple that fits."""
    if unit == "seconds":
        return _multiple(value, _SECONDS)
    if unit == "bytes":
        return _multiple(value, _BYTES)
    return f"{number(value)} {unit}".rstrip()


def _multiple(value: float, multiples: Sequence[tuple[float, str]]) -> str:
    size, name = next((one for one in multiples if abs(value) >= one[0]), multiples[-1])
    return f"{number(value / size)} {name}"


def interval(found: Estimate, unit: str) -> str:
    """Format an estimate's interval: ``50 100 to 53 900``, or the number of rounds if these are too few for one."""
    if not found.bounded:
        return "1 round" if found.rounds == 1 else f"{found.rounds} rounds"
    low, high = amount(found.low, unit), amount(found.high, unit)
    shared = low.partition(" ")[2]
    return f"{low.removesuffix(shared).strip() if high.endswith(f' {shared}') and shared else low} to {high}"


def times(ratio: float) -> str:
    """Format a factor: ``1.03 times``, ``2.3 times``, above ten without a fraction."""
    return f"{number(round(ratio, 2 if ratio < 2 else 1 if ratio < 10 else 0))} times"


def listed(names: Sequence[str]) -> str:
    """Join names for a sentence: a, b and c."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
