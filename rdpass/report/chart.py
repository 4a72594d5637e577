"""A figure of a page: its title, a legend that wraps, and grid and curves as inline SVG. A curve of one point is a dot.

Colours are attributes and classes: a page's style sheet has those of a dark screen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from xml.sax.saxutils import escape

from rdpass.core.printable import printable
from rdpass.report.drawing.svg import element, group, text, title
from rdpass.report.series import Figure, Series

WIDTH, HEIGHT = 500.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 74.0, 26.0, 12.0, 42.0
COLOURS = ("#20252b", "#1f6fb5", "#c4511d", "#1f7a34", "#7a3fb5", "#8f6a14", "#237a7a", "#a33a5e")
GRID = "#dfe3e8"
MOST_TICKS = 6


@dataclass(frozen=True)
class Chart:
    """Draws one figure."""

    figure: Figure

    def draw(self) -> str:
        """A ``figure`` element; the pointer on a curve tells its name and its last value."""
        curves = [self._curve(index, series) for index, series in enumerate(self.figure.series)]
        drawn = element(
            "svg", title(self.figure.title), self._grid(), *curves,
            viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}", width=WIDTH, height=HEIGHT, role="img",
        )  # fmt: skip
        caption = element("figcaption", escape(self.figure.title))
        return element("figure", caption, *self._legend(), drawn, class_="chart")

    @cached_property
    def _x_ticks(self) -> list[float]:
        return ticks(*_range([x for series in self.figure.series for x, _ in series.points]))

    @cached_property
    def _y_ticks(self) -> list[float]:
        ends = [(y - series.error, y + series.error) for series in self.figure.series for _, y in series.points]
        return ticks(*_range([value for pair in ends for value in pair]))

    def _x(self, step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * _share(step, self._x_ticks)

    def _y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _share(value, self._y_ticks)

    def _grid(self) -> str:
        pieces = []
        for value in self._y_ticks:
            y = self._y(value)
            pieces.append(element("line", x1=LEFT, y1=y, x2=WIDTH - RIGHT, y2=y, stroke=GRID, class_="grid"))
            pieces.append(text(LEFT - 6, y + 4, f"{value:.4g}{self.figure.unit}", text_anchor="end"))
        for step in self._x_ticks:
            pieces.append(text(self._x(step), HEIGHT - BOTTOM + 18, f"{step:.6g}", text_anchor="middle"))
        pieces.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, self.figure.across, text_anchor="middle"))
        return group(*pieces)

    def _curve(self, index: int, series: Series) -> str:
        look = self._look(index)
        words = title(self._words(series))
        places = [(self._x(step), self._y(value)) for step, value in series.points]
        if len(places) == 1:
            dot = element("circle", cx=places[0][0], cy=places[0][1], r=3.5, fill=look["stroke"], class_=look["class_"])
            return group(words, *self._error(series, look), dot)
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        return group(words, element("path", d=path, fill="none", stroke_width=1.6, **look))

    def _words(self, series: Series) -> str:
        x, y = series.points[-1]
        place = f"step {x:.0f}" if self.figure.across == "step" else f"{x:.4g} {self.figure.across}"
        return f"{series.name}: {y:.4g}{self.figure.unit} at {place}"

    def _error(self, series: Series, look: dict[str, str]) -> list[str]:
        """A bar of the standard error either way, where there is one."""
        if not series.error:
            return []
        ((x, value),) = series.points
        ends = (self._y(value - series.error), self._y(value + series.error))
        return [element("line", x1=self._x(x), y1=ends[0], x2=self._x(x), y2=ends[1], **look)]

    def _look(self, index: int) -> dict[str, str]:
        """Colours go round; dashes tell a line for reference, and the second round."""
        colour, dashed = index % len(COLOURS), index >= len(COLOURS) or self.figure.series[index].is_reference
        look = {"stroke": COLOURS[colour], "class_": f"c{colour}"}
        return {**look, "stroke_dasharray": "5 3"} if dashed else look

    def _legend(self) -> list[str]:
        """A list of names; none where the title says it all."""
        if len(self.figure.series) < 2:
            return []
        entries = [
            element("li", self._sample(index), escape(printable(series.name)))
            for index, series in enumerate(self.figure.series)
        ]
        return [element("ul", *entries, class_="legend")]

    def _sample(self, index: int) -> str:
        line = element("line", x1=0.0, y1=4.0, x2=18.0, y2=4.0, stroke_width=2.0, **self._look(index))
        return element("svg", line, viewBox="0 0 18 8", width=18.0, height=8.0)


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from below ``low`` to above ``high``, at most ``MOST_TICKS`` steps of 1, 2 or 5 times a power."""
    power = 10.0 ** math.floor(math.log10((high - low) / MOST_TICKS))
    step = next(s * power for s in (1, 2, 5, 10, 20) if (high - low) / (s * power) <= MOST_TICKS - 1)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def _range(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if high - low > 1e-9 * max(abs(high), abs(low)):
        return low, high
    return low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2


def _share(value: float, marks: list[float]) -> float:
    return (value - marks[0]) / (marks[-1] - marks[0])
