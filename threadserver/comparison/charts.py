"""Charts before they are drawn: bars for one figure of each contestant, curves for how it goes."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Bar:
    """One contestant's figure; without a value ``note`` says why there is none."""

    name: str
    family: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    text: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars from zero."""

    bars: Sequence[Bar]
    unit: str
    mark: float | None = None
    """Where a line is drawn across: what would be ideal."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve, with its interval where it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """One contestant's curve."""

    name: str
    family: str
    points: Sequence[Point]
    note: str = ""
    starred: bool = False
    """Whether its end is marked with an asterisk."""


@dataclass(frozen=True, slots=True)
class Curves:
    """Curves over one axis. ``x_scale`` is ``log`` or ``percentile``, ``y_scale`` ``linear`` or ``log``."""

    curves: Sequence[Curve]
    x_title: str
    x_ticks: Sequence[tuple[float, str]]
    unit: str
    x_scale: str = "log"
    y_scale: str = "linear"


Chart = Bars | Curves


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart with what is to be seen in it."""

    choice: str
    """Which workload and connections: what a switch shows."""
    sentence: str
    chart: Chart
    workload: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures of one kind; a switch chooses among them."""

    key: str
    title: str
    about: str
    """What the figure is and how it was taken."""
    pictures: list[Picture] = field(default_factory=list)
