"""Charts as data, before drawing: bars for one figure of each contestant, curves for its course."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Bar:
    """One contestant's figure; without a value, ``note`` says why."""

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
    """Position of a line across the bars: the ideal value."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve, with its interval if it has one."""

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
    """A chart, with a sentence that says what it shows."""

    choice: str
    """The workload and its connections: the label of the switch."""
    sentence: str
    chart: Chart
    workload: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures of one kind; a switch chooses among them."""

    key: str
    title: str
    about: str
    """What the figure is and how it was measured."""
    pictures: list[Picture] = field(default_factory=list)
