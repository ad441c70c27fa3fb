"""Colours of the pictures, light and dark: the hue shows the family of a model, the shade and the mark show the model.

A picture names its colours as variables (``var(--threads-0)``), so that a page can change them all at once; `literal`
inserts the values, for a standalone file.
"""

import re
from collections.abc import Mapping, Sequence

LIGHT = {
    "paper": "#fbfaf8", "card": "#ffffff", "ink": "#1d2530", "quiet": "#5d6774", "rule": "#e3e0da", "line": "#b9bec7",
    "trouble": "#b3261e", "accent": "#1d63b3",
    "one": "#6b7280 #9aa1ac", "threads": "#1d63b3 #4d94dd #0d3b73 #7fb2e8",
    "processes": "#b45309 #de8430 #7a3a08 #e3aa6c #8f7326 #c7ad45",
    "loop": "#0f766e #36a899 #0a4a45 #4f8a2c #7aa93a #2f6f8f #6bb5a8",
    "own": "#b0257d #d662ad #741154 #e294c6",
}  # fmt: skip
DARK = {
    "paper": "#14181e", "card": "#1b2028", "ink": "#e7eaee", "quiet": "#9aa4b2", "rule": "#2c333e", "line": "#4b5563",
    "trouble": "#ff8a80", "accent": "#74b0f4",
    "one": "#aab2bf #7d8694", "threads": "#74b0f4 #3f86d6 #b3d3fa #5a9be8",
    "processes": "#f2a65a #d07a26 #ffd0a1 #e09046 #c9b062 #efe0a0",
    "loop": "#4fd1bd #2a9d8c #a5ece0 #9bd36a #c3e88d #6cc3e8 #37b7a5", "own": "#f28ccb #d655a5 #ffc2e6 #e673b9",
}  # fmt: skip
MARKS = ("circle", "square", "triangle", "diamond", "cross", "down", "bar")


def variables(theme: Mapping[str, str]) -> dict[str, str]:
    """Return every variable of a theme with its value."""
    found = {}
    for name, values in theme.items():
        several = values.split()
        if len(several) == 1:
            found[name] = values
        found |= {f"{name}-{at}": value for at, value in enumerate(several) if len(several) > 1}
    return found


def shades(families: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the colour and the mark of each contestant, by its family."""
    seen: dict[str, int] = {}
    found = {}
    for name, family in families.items():
        at = seen[family] = seen.get(family, -1) + 1
        count = len(LIGHT[family].split())
        found[name] = (f"var(--{family}-{at % count})", MARKS[at % len(MARKS)])
    return found


def literal(svg: str, theme: Mapping[str, str]) -> str:
    """Replace the variables with a theme's values."""
    values = variables(theme)
    return re.sub(r"var\(--([\w-]+)\)", lambda match: values[match[1]], svg)


def mark(kind: str, x: float, y: float, size: float = 4.0) -> str:
    """Return the SVG path of a mark around a point."""
    if kind == "circle":
        return f"M{x - size:.1f} {y:.1f}a{size} {size} 0 1 0 {2 * size} 0a{size} {size} 0 1 0 {-2 * size} 0z"
    corners: dict[str, Sequence[tuple[float, float]]] = {
        "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
        "triangle": ((0, -1.2), (1.1, 0.8), (-1.1, 0.8)),
        "down": ((0, 1.2), (1.1, -0.8), (-1.1, -0.8)),
        "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
        "bar": ((-1.3, -0.5), (1.3, -0.5), (1.3, 0.5), (-1.3, 0.5)),
        "cross": ((-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4), (0.4, 1.2), (-0.4, 1.2),
                  (-0.4, 0.4), (-1.2, 0.4), (-1.2, -0.4), (-0.4, -0.4)),
    }  # fmt: skip
    return "M" + "L".join(f"{x + dx * size:.1f} {y + dy * size:.1f}" for dx, dy in corners[kind]) + "z"
