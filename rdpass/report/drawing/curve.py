"""The bytes live at every kernel, as bars beside the rows, with another network's as lines over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count

from rdpass.report.drawing.chips import ROW
from rdpass.report.drawing.rows import Row
from rdpass.report.drawing.svg import element, group, text, title

LIVE, HELD, PLAIN, TILED, AXIS = "#c3ccd8", "#f08a80", "#1f7a34", "#7a3fb5", "#dfe3e8"
WIDTH = 420.0


@dataclass(frozen=True)
class Curve:
    """Draws rows' live bytes from ``x`` rightwards; the first row's upper edge lies at ``y``. The lines are of the
    network that ``beside`` names."""

    rows: list[Row]
    x: float
    y: float
    beside: str = "strictly plain"

    def draw(self) -> str:
        """Grid, bars, lines, and the peak."""
        lines = [
            self._line(lambda row: row.plain, PLAIN, "", "beside"),
            self._line(lambda row: row.tiled, TILED, "4 3", "tiled"),
        ]
        return group(
            self._grid(), *(self._bar(index, row) for index, row in enumerate(self.rows)), *lines, self._peak()
        )

    @cached_property
    def _largest(self) -> int:
        return max((max(row.live, row.plain or 0, row.tiled or 0) for row in self.rows), default=0) or 1

    def _at(self, amount: int) -> float:
        return self.x + WIDTH * amount / self._scale[0]

    @cached_property
    def _scale(self) -> tuple[int, int]:
        """Bytes at the right edge, and between grid lines: four to eight round steps."""
        largest, step = self._largest, next(step for step in _round_steps() if self._largest <= 8 * step)
        return -(-largest // step) * step, step

    def _grid(self) -> str:
        end, step = self._scale
        bottom = self.y + ROW * len(self.rows)
        pieces = []
        for mark in range(0, end + 1, step):
            x = self._at(mark)
            pieces.append(element("line", x1=x, y1=self.y - 4, x2=x, y2=bottom + 4, stroke=AXIS, class_="grid"))
            for y in (self.y - 9, bottom + 15):
                pieces.append(text(x, y, _amount(mark), class_="axis", text_anchor="middle"))
        return group(*pieces)

    def _bar(self, index: int, row: Row) -> str:
        if not row.live:
            return ""
        top, free, end = self.y + index * ROW, self._at(row.live - row.held), self._at(row.live)
        bars = [element("rect", x=self.x, y=top, width=free - self.x, height=ROW, fill=LIVE, class_="live-bytes")]
        if row.held:
            bars.append(element("rect", x=free, y=top, width=end - free, height=ROW, fill=HELD, class_="held-bytes"))
        return group(title(self._described(row)), *bars, class_="live")

    def _line(self, value: Callable[[Row], int | None], colour: str, dashes: str, look: str) -> str:
        """A stepped line; it has a gap where the other network has no such layer."""
        path, drawing = "", False
        for index, row in enumerate(self.rows):
            amount = value(row)
            if amount is None:
                drawing = False
                continue
            x, top = self._at(amount), self.y + index * ROW
            path += f"{'L' if drawing else 'M'}{x:.1f} {top:.1f}L{x:.1f} {top + ROW:.1f}"
            drawing = True
        dashed = {"stroke_dasharray": dashes} if dashes else {}
        return (
            element("path", d=path, fill="none", stroke=colour, stroke_width=1.6, class_=look, **dashed) if path else ""
        )

    def _peak(self) -> str:
        index = max(range(len(self.rows)), key=lambda index: self.rows[index].live, default=None)
        if index is None or not self.rows[index].live:
            return ""
        row, y = self.rows[index], self.y + (index + 0.5) * ROW
        x = self._at(row.live)
        label = f"peak {_amount(row.live)}"
        return group(
            element("circle", cx=x, cy=y, r=3.5, fill="#20252b", class_="dot"),
            text(x + 8, y + 4, label, class_="peak"),
            class_="peak",
        )

    def _described(self, row: Row) -> str:
        lines = [f"{_amount(row.live)} live while {row.nodes[0].name} runs"]
        if row.held:
            lines.append(f"{_amount(row.held)} of that held by shortcuts alone")
        if row.plain is not None:
            lines.append(f"{_amount(row.plain)} {self.beside}")
        if row.tiled is not None:
            lines.append(f"{_amount(row.tiled)} {self.beside}, with tiled kernels")
        return "\n".join(lines)


def _round_steps() -> Iterator[int]:
    """1, 2, 5, 10, 20, …"""
    return (digit * 10**power for power in count() for digit in (1, 2, 5))


def _amount(size: int) -> str:
    if size >= 100_000:
        return f"{size / 1e6:.2f}".rstrip("0").rstrip(".") + " MB"
    return f"{size / 1e3:.1f}".rstrip("0").rstrip(".") + " kB" if size >= 100 else f"{size} B"
