"""Charts as SVG text: axes, lines, interval bars and stacked bars. Only what a training run needs.

Attributes only and no style sheet: the report's content security policy allows none inside the picture. The ground is
white, so that it reads on a light page and on a dark one.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

INK, SOFT, RULE = "#1c1d20", "#5d6067", "#e3e2de"
COLOURS = ("#3355d6", "#c2570c", "#1b7f4b", "#8a3fb0", "#a8861b", "#5d6067")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle of the picture, in pixels, and the ranges of the data that it shows."""

    left: float
    top: float
    width: float
    height: float
    most_x: float
    most_y: float

    def x(self, value: float) -> float:
        """The pixel of a value; the range begins at 0."""
        return self.left + self.width * value / self.most_x

    def y(self, value: float) -> float:
        """Likewise, upwards."""
        return self.top + self.height * (1 - value / self.most_y)

    def axes(self, title: str, *, steps_x: Sequence[float], steps_y: Sequence[float], percent: bool) -> str:
        """Title, rules and the numbers beside them."""
        right, bottom = self.left + self.width, self.top + self.height
        parts = [text(self.left, self.top - 10, title, fill=INK, weight=600)]
        for value in steps_y:
            parts.append(line([(self.left, self.y(value)), (right, self.y(value))], RULE, 1))
            shown = f"{100 * value:g}%" if percent else short(value)
            parts.append(text(self.left - 6, self.y(value) + 4, shown, anchor="end"))
        for value in steps_x:
            end = value == steps_x[-1] and self.x(value) > right - 12
            parts.append(text(self.x(value), bottom + 16, short(value), anchor="end" if end else "middle"))
        return "".join(parts)

    def curve(self, points: Sequence[Point], colour: str, width: float = 1.5) -> str:
        """A line through points of the data."""
        return line([(self.x(x), self.y(y)) for x, y in points], colour, width)

    def interval(self, x: float, low: float, high: float, colour: str) -> str:
        """A bar from one value to another, with ends."""
        x, top, bottom = self.x(x), self.y(high), self.y(low)
        path = f"M{x - 4:.1f} {top:.1f}h8m-4 0V{bottom:.1f}m-4 0h8"
        return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'

    def dot(self, x: float, y: float, colour: str) -> str:
        """A point of the data."""
        return f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="4" fill="{colour}"/>'

    def bar(self, begin: float, end: float, low: float, high: float, colour: str) -> str:
        """A box between two values on either axis, with a little room to the next one."""
        gap = min(1.0, (self.x(end) - self.x(begin)) / 5)
        size = f'width="{self.x(end) - self.x(begin) - gap:.1f}" height="{self.y(low) - self.y(high):.1f}"'
        return f'<rect x="{self.x(begin):.1f}" y="{self.y(high):.1f}" {size} fill="{colour}"/>'


def picture(width: int, height: int, label: str, content: str) -> str:
    """A whole picture, which stands alone as a file.

    Args:
        width: in pixels.
        height: in pixels.
        label: what it shows, for those who do not see it.
        content: its elements.
    """
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    ground = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    font = f'font-family="{FONT}" font-size="12"'
    label = html.escape(label)
    return f'<svg {XMLNS} {size} {font} role="img" aria-label="{label}">{ground}{content}</svg>\n'


XMLNS = 'xmlns="http://www.w3.org/2000/svg"'
"""What a file needs, and a picture inside a page does not."""


def text(x: float, y: float, words: str, *, fill: str = SOFT, anchor: str = "start", weight: int = 400) -> str:
    """Words at a place."""
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    turn = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}"{turn}{bold}>{html.escape(words)}</text>'


def line(points: Sequence[Point], colour: str, width: float) -> str:
    """A line through places."""
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{corners}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def rounds(most: float, count: int = 4) -> list[float]:
    """Round numbers from 0 up to at least `most`, about `count` of them: 0.73 gives 0, 0.2, 0.4, 0.6, 0.8."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / count
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * (1 - 1e-9))
    return [round(step * index, 12) for index in range(math.ceil(most / step - 1e-9) + 1)]


def short(value: float) -> str:
    """A number in few characters: 12000 as 12k."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"
