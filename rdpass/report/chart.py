"""A figure as inline SVG: grid, curves, a legend. A curve of one point is a dot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from rdpass.report.drawing.svg import element, group, text, title
from rdpass.report.series import Figure, Series

WIDTH, HEIGHT = 760.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 170.0, 12.0, 34.0
LETTER, LINE = 6.2, 17.0
"""Of the legend, which widens the margin and lengthens the figure where it has to."""
COLOURS = ("#20252b", "#1f6fb5", "#c4511d", "#1f7a34", "#7a3fb5", "#b0852b", "#2a8f8f", "#a33a5e")
GRID = "#dfe3e8"
MOST_TICKS = 6


@dataclass(frozen=True)
class Chart:
    """Draws one figure."""

    figure: Figure

    def draw(self) -> str:
        """An ``svg`` element; the pointer on a curve tells its name and its last value."""
        curves = [self._curve(index, series) for index, series in enumerate(self.figure.series)]
        return element(
            "svg", title(self.figure.title), self._grid(), *curves, self._legend(),
            viewBox=f"0 0 {WIDTH:.0f} {self._height:.0f}", width=WIDTH, height=self._height, role="img",
        )  # fmt: skip

    @cached_property
    def _right(self) -> float:
        return max(RIGHT, 40 + LETTER * max(len(series.name) for series in self.figure.series))

    @cached_property
    def _height(self) -> float:
        return max(HEIGHT, TOP + LINE * len(self.figure.series) + BOTTOM)

    @cached_property
    def _x_ticks(self) -> list[float]:
        return ticks(*_range([x for series in self.figure.series for x, _ in series.points]))

    @cached_property
    def _y_ticks(self) -> list[float]:
        ends = [(y - series.error, y + series.error) for series in self.figure.series for _, y in series.points]
        return ticks(*_range([value for pair in ends for value in pair]))

    def _x(self, step: float) -> float:
        return LEFT + (WIDTH - LEFT - self._right) * _share(step, self._x_ticks)

    def _y(self, value: float) -> float:
        return self._height - BOTTOM - (self._height - TOP - BOTTOM) * _share(value, self._y_ticks)

    def _grid(self) -> str:
        pieces = []
        for value in self._y_ticks:
            y = self._y(value)
            pieces.append(element("line", x1=LEFT, y1=y, x2=WIDTH - self._right, y2=y, stroke=GRID))
            pieces.append(text(LEFT - 6, y + 4, f"{value:.4g}{self.figure.unit}", text_anchor="end"))
        for step in self._x_ticks:
            pieces.append(text(self._x(step), self._height - BOTTOM + 16, f"{step:.6g}", text_anchor="middle"))
        pieces.append(
            text((LEFT + WIDTH - self._right) / 2, self._height - 3, self.figure.across, text_anchor="middle")
        )
        return group(*pieces)

    def _curve(self, index: int, series: Series) -> str:
        colour = COLOURS[index % len(COLOURS)]
        dashes = {"stroke_dasharray": "5 3"} if index >= len(COLOURS) else {}
        words = title(self._words(series))
        places = [(self._x(step), self._y(value)) for step, value in series.points]
        if len(places) == 1:
            dot = element("circle", cx=places[0][0], cy=places[0][1], r=3.5, fill=colour)
            return group(words, *self._error(series, colour), dot)
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        return group(words, element("path", d=path, fill="none", stroke=colour, stroke_width=1.6, **dashes))

    def _words(self, series: Series) -> str:
        x, y = series.points[-1]
        place = f"step {x:.0f}" if self.figure.across == "step" else f"{x:.4g} {self.figure.across}"
        return f"{series.name}: {y:.4g}{self.figure.unit} at {place}"

    def _error(self, series: Series, colour: str) -> list[str]:
        """A bar of the standard error either way, where there is one."""
        if not series.error:
            return []
        ((x, value),) = series.points
        ends = (self._y(value - series.error), self._y(value + series.error))
        return [element("line", x1=self._x(x), y1=ends[0], x2=self._x(x), y2=ends[1], stroke=colour)]

    def _legend(self) -> str:
        pieces = []
        for index, series in enumerate(self.figure.series):
            y, x = TOP + 8 + LINE * index, WIDTH - self._right + 14
            colour = COLOURS[index % len(COLOURS)]
            pieces.append(element("line", x1=x, y1=y, x2=x + 16, y2=y, stroke=colour, stroke_width=2.0))
            pieces.append(text(x + 22, y + 4, series.name))
        return group(*pieces)


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
