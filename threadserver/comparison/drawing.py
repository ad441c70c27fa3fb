"""Draw charts as SVG, at any width, so that letters have the same size on a phone and on a projector.

Elements carry all their attributes and need no style sheet, so that slides and documents accept the files. Colours are
variables; see `colours`.
"""

from collections.abc import Iterable, Mapping
from html import escape
from math import ceil

from threadserver.comparison.axes import Axis, logarithmic, nice, round_bounds, spread
from threadserver.comparison.charts import Bar, Bars, Chart, Curve, Curves
from threadserver.comparison.colours import mark
from threadserver.comparison.number_format import amount

NARROW = 520
"""Below this width in pixels, names stand above their bars."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
SMALL = 0.885
"""Size of the letters of an axis, relative to the others."""
LETTER = 7.3
"""Assumed width of a letter, in pixels."""
Shades = Mapping[str, tuple[str, str]]


def draw(chart: Chart, width: int, shades: Shades, label: str = "") -> str:
    """Draw a chart, ``width`` pixels wide; ``label`` describes it for a screen reader."""
    parts, height = _bars(chart, width, shades) if isinstance(chart, Bars) else _curves(chart, width, shades)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" width="{width}" '
        f'height="{height:.0f}" role="img" aria-label="{escape(label)}" font-family="{FONT}" font-size="13">'
        f"{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, said: str, colour: str = "ink", anchor: str = "start", extra: str = "") -> str:
    halo = "stroke:var(--card);stroke-width:4;stroke-linejoin:round;paint-order:stroke"  # keeps lines off it
    attributes = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="fill:var(--{colour});{halo}"{extra}'
    return f"<text {attributes}>{escape(said)}</text>"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, extra: str = "") -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" style="stroke:{colour};fill:none"{extra}/>'


def _series(name: str, parts: Iterable[str], title: str) -> str:
    tip = f"<title>{escape(title)}</title>" if title else ""
    return f'<g class="series" data-name="{escape(name)}">{tip}{"".join(parts)}</g>'


def shortened(said: str, room: float) -> str:
    """Shorten a text to a width in pixels."""
    most = max(int(room / LETTER), 1)
    return said if len(said) <= most else said[: most - 1].rstrip() + "…"


# Bars.


def _bars(chart: Bars, width: int, shades: Shades) -> tuple[list[str], float]:
    narrow = width < NARROW
    names = max((len(bar.name) for bar in chart.bars), default=0) * LETTER + 14
    right = max((len(bar.text) for bar in chart.bars), default=0) * LETTER + 18
    left, end = (8.0, width - 24.0) if narrow else (min(names, 230.0), width - min(right, 250.0))
    row, top = (40.0, 10.0) if narrow else (27.0, 8.0)
    bottom = top + row * len(chart.bars)
    axis, ticks = _value_axis(chart, left, end, 3 if narrow else 6)
    parts = [_line(axis(tick), top, axis(tick), bottom, "var(--rule)") for tick in ticks]
    parts += _below([(axis(tick), amount(tick, chart.unit) if tick else "0") for tick in ticks], bottom + 17, width)
    if chart.mark is not None:
        x = axis(chart.mark)
        parts.append(_line(x, top - 4, x, bottom, "var(--quiet)", ' stroke-dasharray="4 3" stroke-width="1.5"'))
    for at, bar in enumerate(chart.bars):
        parts.append(_bar(bar, axis, top + at * row, row, width, shades, narrow=narrow))
    return parts, bottom + 26


def _below(labels: list[tuple[float, str]], y: float, width: int) -> list[str]:
    """Label an axis, with as many labels as fit without touching each other or the edge."""
    wide = max(len(said) for _, said in labels) * SMALL * LETTER
    apart = labels[1][0] - labels[0][0]
    most = width - wide / 2
    return [
        _text(min(x, most), y, said, "quiet", "middle", f' font-size="{13 * SMALL}"')
        for x, said in labels[:: ceil((wide + 8) / apart)]
    ]


def _value_axis(chart: Bars, left: float, end: float, count: int) -> tuple[Axis, list[float]]:
    values = [bar.value for bar in chart.bars if bar.value is not None]
    highs = [bar.high for bar in chart.bars if bar.high is not None]
    most = max(values, default=1.0)
    most = max(most, min(max(highs, default=0.0), most * 1.25), chart.mark or 0.0)
    ticks = nice(most, count)
    return Axis(0.0, ticks[-1], left, end), ticks


def _bar(bar: Bar, axis: Axis, y: float, row: float, width: int, shades: Shades, *, narrow: bool) -> str:
    colour = shades[bar.name][0]
    top, height = (y + 20, 12.0) if narrow else (y + 5, row - 10)
    parts = [f'<rect x="0" y="{y:.1f}" width="{width}" height="{row:.1f}" style="fill:transparent"/>']
    if narrow:
        parts.append(_text(8, y + 14, bar.name, extra=' font-weight="600"'))
        parts.append(_text(width - 10, y + 14, shortened(bar.text or bar.note, width - 30 - len(bar.name) * LETTER),
                           "quiet" if bar.value is not None else "trouble", "end"))  # fmt: skip
    else:
        parts.append(_text(axis.start - 10, y + row / 2 + 4.5, shortened(bar.name, axis.start), anchor="end"))
        parts.append(_beside(bar, axis, y + row / 2 + 4.5, width))
    if bar.value is not None:
        end = max(axis(max(bar.value, 0.0)), axis.start + 1.5)
        parts.append(f'<rect x="{axis.start:.1f}" y="{top:.1f}" width="{end - axis.start:.1f}" height="{height:.1f}" '
                     f'rx="2" style="fill:{colour}"/>')  # fmt: skip
        parts.append(_whisker(bar, axis, top + height / 2))
    return _series(bar.name, parts, " ".join(filter(None, (bar.name, bar.text, bar.note and f"({bar.note})"))))


def _beside(bar: Bar, axis: Axis, y: float, width: int) -> str:
    if bar.value is None:
        return _text(axis.start + 8, y, shortened(bar.note, width - axis.start - 16), "trouble")
    return _text(axis.end + 12, y, shortened(bar.text, width - axis.end - 8))


def _whisker(bar: Bar, axis: Axis, y: float) -> str:
    if bar.low is None or bar.high is None:
        return ""
    low, high = axis(bar.low), axis(bar.high)
    path = f"M{low:.1f} {y - 4:.1f}v8M{low:.1f} {y:.1f}H{high:.1f}"
    path += "m-5 -4l5 4l-5 4" if bar.high > axis.most else "m0 -4v8"
    around = f'<path d="{path}" stroke-width="4" opacity=".6" style="stroke:var(--card);fill:none"/>'
    return f'{around}<path d="{path}" stroke-width="1.4" style="stroke:var(--ink);fill:none"/>'


# Curves.


def _curves(chart: Curves, width: int, shades: Shades) -> tuple[list[str], float]:
    narrow = width < NARROW
    shown = [curve for curve in chart.curves if curve.points]
    names = min(max((len(curve.name) + 2 for curve in shown), default=0) * LETTER, 100.0 if narrow else 180.0)
    height = 360.0 if narrow else 430.0
    left, right, top, bottom = 62.0, width - names - 26, 30.0, height - 48
    y, ticks = _upright(chart, bottom, top, 4 if narrow else 6)
    places = [place for place, _ in chart.x_ticks]
    x = Axis(places[0], _reach(chart), left, right, chart.x_scale)
    parts = _frame(chart, x, y, ticks)
    parts += [_curve(curve, x, y, shades) for curve in shown]
    return parts + _labels(shown, x, y, width, shades), height


def _reach(chart: Curves) -> float:
    """Return the end of the axis: that of the longest curve, but never before the second tick."""
    points = [point.x for curve in chart.curves for point in curve.points]
    return max([*points, *(place for place, _ in chart.x_ticks[:2])])


def _upright(chart: Curves, bottom: float, top: float, count: int) -> tuple[Axis, list[float]]:
    points = [point for curve in chart.curves for point in curve.points]
    values = [point.y for point in points] or [1.0]
    if chart.y_scale == "log":
        least, most = round_bounds(min(values), max(values))
        return Axis(least, most, bottom, top, "log"), logarithmic(least, most)
    highs = [point.high for point in points if point.high is not None]
    ticks = nice(max(*values, min(max(highs, default=0.0), 1.25 * max(values))), count)
    return Axis(0.0, ticks[-1], bottom, top), ticks


def _frame(chart: Curves, x: Axis, y: Axis, ticks: list[float]) -> list[str]:
    parts = [_text(8, 16, chart.unit if chart.unit != "seconds" else "latency", "quiet", extra=' font-size="12"')]
    for tick in ticks:
        parts.append(_line(x.start, y(tick), x.end, y(tick), "var(--rule)"))
        said = amount(tick, "seconds" if chart.unit == "seconds" else "") if tick else "0"
        parts.append(_text(x.start - 8, y(tick) + 4, said, "quiet", "end", ' font-size="11.5"'))
    for place, said in [tick for tick in chart.x_ticks if tick[0] <= x.most]:
        parts.append(_line(x(place), y.start, x(place), y.start + 5, "var(--line)"))
        parts.append(_text(x(place), y.start + 19, said, "quiet", "middle", ' font-size="11.5"'))
    middle = (x.start + x.end) / 2
    return [*parts, _text(middle, y.start + 38, chart.x_title, "quiet", "middle", ' font-size="12"')]


def _curve(curve: Curve, x: Axis, y: Axis, shades: Shades) -> str:
    colour, kind = shades[curve.name]
    places = [(x(point.x), y(point.y)) for point in curve.points]
    path = "M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in places)
    parts = [f'<path d="{path}" stroke-width="2.2" stroke-linejoin="round" style="stroke:{colour};fill:none"/>']
    many = len(places) > 12
    for at, (point, (px, py)) in enumerate(zip(curve.points, places, strict=True)):
        if point.low is not None and point.high is not None:
            parts.append(_line(px, y(point.low), px, y(point.high), colour, ' stroke-width="1.2" opacity=".55"'))
            if point.high > y.most:  # the interval goes beyond the picture
                arrow = f"M{px - 4:.1f} {y.end + 6:.1f}L{px:.1f} {y.end:.1f}L{px + 4:.1f} {y.end + 6:.1f}"
                parts.append(f'<path d="{arrow}" stroke-width="1.2" style="stroke:{colour};fill:none"/>')
        if not many or at % 10 == 0 or at == len(places) - 1:
            parts.append(
                f'<path d="{mark(kind, px, py)}" style="fill:{colour}"><title>{escape(point.text)}</title></path>'
            )
    # A thin line is hard to hit with a pointer, so a wide, invisible one lies beneath.
    parts.insert(0, f'<path d="{path}" stroke-width="14" style="stroke:transparent;fill:none"/>')
    return _series(curve.name, parts, "" if not curve.note else f"{curve.name}: {curve.note}")


def _labels(curves: list[Curve], x: Axis, y: Axis, width: int, shades: Shades) -> list[str]:
    """Write each name at the end of its curve, and move names apart that would overlap."""
    ends = sorted((y(curve.points[-1].y), x(curve.points[-1].x), curve.name, curve.starred) for curve in curves)
    places = spread([end[0] for end in ends], 15.0, y.end - 8, y.start + 4)
    parts = []
    for (own, at, name, starred), place in zip(ends, places, strict=True):
        colour = shades[name][0]
        lead = f'<path d="M{at + 6:.1f} {own:.1f}L{x.end + 8:.1f} {own:.1f}L{x.end + 16:.1f} {place:.1f}" '
        lead += f'stroke-dasharray="1.5 3" style="stroke:{colour};fill:none"/>'
        text = _text(
            x.end + 19, place + 4.5, shortened(name, width - x.end - 24) + " *" * starred, extra=' font-size="12.5"'
        )
        parts.append(_series(name, [lead, text], ""))
    return parts
