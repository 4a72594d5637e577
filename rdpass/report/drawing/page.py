"""The whole drawing: heading, legend, kernels from the first to the last, and the live bytes beside them.

Colours are attributes, for programs that know no style sheets; ``STYLE`` has those of a dark screen.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from torch.fx import GraphModule

from rdpass.core.plan import Plan
from rdpass.core.printable import short_count
from rdpass.passes.analysis.cost import FusionVariants
from rdpass.passes.graph.node_kinds import shape_of
from rdpass.report.drawing.chips import CHIP_HEIGHT, FILL, LETTER, ROW, STROKE, Chips, chips_width, name_of
from rdpass.report.drawing.curve import HELD, LIVE, PLAIN, TILED, WIDTH, Curve
from rdpass.report.drawing.labels import times
from rdpass.report.drawing.lanes import Wire, lanes
from rdpass.report.drawing.roles import Role, parts_of
from rdpass.report.drawing.rows import Row, rows_of, wires_of
from rdpass.report.drawing.svg import document, element, group, text

MARGIN = 24.0
TITLE_LINE, LINE, LEGENDS = 24.0, 17.0, 100.0  # pixels: of the heading's lines, and from the last of them to the rows
TITLE_LETTER, LINE_LETTER = 11.5, 6.6  # widths of letters of the heading, on average
LANE, LANES_WIDTH, SHAPE_WIDTH = 9.0, 240.0, 84.0
WIRE = "#8a94a0"
STYLE = """
.network text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #20252b }
.network .title { font-size: 20px; font-weight: 600 }
.network .line { font-size: 12.5px; fill: #4a525c }
.network .legend { font-size: 11.5px }
.network .name, .network .shape, .network .axis { font-size: 10.5px; fill: #5b6570 }
.network .label { font-size: 10.5px; fill: #20252b }
.network .peak { font-size: 11.5px; font-weight: 600 }
.network .head { font-size: 11.5px; font-weight: 600; fill: #4a525c }
@media (prefers-color-scheme: dark) {
  .network .background { fill: #14181d }
  .network text { fill: #e4e8ed }
  .network .line, .network .head, .network .name, .network .shape, .network .axis { fill: #b4bdc8 }
  .network .label { fill: #20252b }
  .network .grid { stroke: #333b45 }
  .network .live-bytes { fill: #56616f }
  .network .held-bytes { fill: #c4564c }
  .network .beside { stroke: #5fc27a }
  .network .tiled { stroke: #b98af0 }
  .network .dot { fill: #e4e8ed }
}
"""
ROLES: tuple[tuple[Role, str], ...] = (
    ("fork", "fork"), ("body", "body"), ("shortcut", "shortcut"), ("add", "add"), ("other", "neither"),
)  # fmt: skip


def draw(
    graph_module: GraphModule,
    plan: Plan,
    model: FusionVariants,
    other: FusionVariants,
    title: str,
    beside: str = "strictly plain",
) -> str:
    """An SVG document. ``model`` and ``other`` are the schedules of the graph and of the network that lies ``beside``
    it: of its strictly plain student, or of the one that was made of it."""
    rows = rows_of(graph_module, plan.regions, model, other)
    wires = wires_of(rows, model, plan.regions)
    widest = max(LETTER * len(name_of(row)) for row in rows)
    width = max(chips_width(graph_module, row) for row in rows)
    page = _Page(rows, wires, lanes(wires), MARGIN + widest, width, title, tuple(_lines(rows, plan, model)))
    chips = Chips(graph_module, parts_of(plan.regions), page.names_end, page.chips_start, page.shapes_end)
    curve = Curve(rows, page.curve_start, page.top, beside)
    return document(
        page.width,
        page.top + ROW * len(rows) + 40,
        STYLE,
        page.heading_drawn(),
        _legends(page, beside),
        curve.draw(),
        page.wires_drawn(),
        *(chips.draw(row, page.middle(index)) for index, row in enumerate(rows)),
        label=f"{title}: kernels and live bytes",
    )


@dataclass(frozen=True)
class _Page:
    """Layout of the page: the heading in as many lines as it takes, then names, lanes, chips, shapes, curve, from left
    to right."""

    rows: list[Row]
    wires: list[Wire]
    lane_of: dict[str, int]
    names_end: float
    chips_width: float
    title: str
    lines: tuple[str, ...]

    @property
    def width(self) -> float:
        return self.curve_start + WIDTH + 90

    @property
    def top(self) -> float:
        """The upper edge of the first row."""
        titles, lines = self._heading
        return MARGIN + TITLE_LINE * len(titles) + LINE * len(lines) + LEGENDS

    @cached_property
    def _heading(self) -> tuple[list[str], list[str]]:
        """Title and lines, wrapped to the width of the page."""
        titles = _wrapped(self.title, self.width, TITLE_LETTER)
        return titles, [part for line in self.lines for part in _wrapped(line, self.width, LINE_LETTER)]

    @property
    def _pitch(self) -> float:
        return min(LANE, LANES_WIDTH / max(self._lanes, 1))

    @property
    def _lanes(self) -> int:
        return max(self.lane_of.values(), default=-1) + 1

    @property
    def chips_start(self) -> float:
        return self.names_end + self._lanes * self._pitch + 26

    @property
    def shapes_end(self) -> float:
        return self.chips_start + max(self.chips_width, 200) + SHAPE_WIDTH

    @property
    def curve_start(self) -> float:
        return self.shapes_end + 24

    def middle(self, row: int) -> float:
        return self.top + (row + 0.5) * ROW

    def heading_drawn(self) -> str:
        titles, lines = self._heading
        words, y = [], MARGIN - 8
        for line in titles:
            y += TITLE_LINE
            words.append(text(MARGIN, y, line, class_="title"))
        for line in lines:
            y += LINE
            words.append(text(MARGIN, y, line, class_="line"))
        words.append(text(self.curve_start, self.top - 76, "bytes live while each kernel runs", class_="head"))
        words.append(text(MARGIN, self.top - 76, "kernels, in the order they run", class_="head"))
        return group(*words)

    def wires_drawn(self) -> str:
        """Lanes left of the chips, from a map's writer to its readers; a shortcut's in its colour, above the rest."""
        plain = [self._wire(wire, wire.readers, WIRE, 1.1) for wire in self.wires if wire.readers]
        short = [self._wire(wire, wire.shortcut, STROKE["shortcut"], 2.0) for wire in self.wires if wire.shortcut]
        return group(*plain, *short, *self._arrows(), fill="none")

    def _wire(self, wire: Wire, readers: tuple[int, ...], colour: str, width: float) -> str:
        near, bend = self.chips_start - 2, 5
        lane = near - 12 - self.lane_of[wire.buffer] * self._pitch
        y, end = self.middle(wire.row) + 4, self.middle(max(readers)) - 4
        path = f"M{near:.1f} {y:.1f}H{lane + bend:.1f}Q{lane:.1f} {y:.1f} {lane:.1f} {y + bend:.1f}V{end - bend:.1f}"
        for reader in sorted(set(readers)):
            at = self.middle(reader) - 4
            path += (
                f"M{lane:.1f} {at - bend:.1f}Q{lane:.1f} {at:.1f} {lane + bend:.1f} {at:.1f}H{near:.1f}m-5 -3l5 3l-5 3"
            )
        return element("path", d=path, stroke=colour, stroke_width=width)

    def _arrows(self) -> list[str]:
        """From each row to the next, where that reads it."""
        x = self.chips_start + 8
        return [
            element(
                "path", stroke=WIRE, stroke_width=1.1,
                d=f"M{x:.1f} {self.middle(index) + CHIP_HEIGHT / 2:.1f}V{self.middle(index + 1) - CHIP_HEIGHT / 2:.1f}",
            )
            for index in range(len(self.rows) - 1)
            if self.rows[index + 1].follows
        ]  # fmt: skip


def _lines(rows: list[Row], plan: Plan, model: FusionVariants) -> Iterator[str]:
    shapes = ", ".join(times(shape_of(node) or ()) for row in rows for node in row.nodes if node.op == "placeholder")
    counted = f"{len(plan.regions)} residual adds, {len(plan.removable)} removable; {len(plan.skipped)} other adds"
    exact = "optimal" if model.fused.schedule.optimal else "greedy, not known to be optimal"
    yield f"input {shapes} · {short_count(plan.forecast.model.macs)} multiply-accumulates · {counted}"
    yield f"one row a kernel, adds fused in place, schedule {exact}"
    yield plan.forecast.verdict


def _wrapped(words: str, width: float, letter: float) -> list[str]:
    return textwrap.wrap(words, int((width - 2 * MARGIN) / letter)) or [""]


def _legends(page: _Page, beside: str) -> str:
    boxes = [_box(FILL[role], STROKE[role], words) for role, words in ROLES]
    wire, stays = _line(STROKE["shortcut"], "none", "kept for a shortcut"), _box("#ffffff", WIRE, "stays", "3 2")
    bars = [_box(LIVE, LIVE, "live", look="live-bytes"), _box(HELD, HELD, "held by shortcuts alone", look="held-bytes")]
    curves = [_line(PLAIN, "none", beside, "beside"), _line(TILED, "4 3", "the same, tiled kernels", "tiled")]
    return group(
        _row(boxes, MARGIN, page.top - 58), _row([wire, stays], MARGIN, page.top - 38),
        _row(bars, page.curve_start, page.top - 58), _row(curves, page.curve_start, page.top - 38),
    )  # fmt: skip


def _row(items: list[tuple[str, float]], x: float, y: float) -> str:
    """Legend entries side by side, each drawn at the origin and as wide as it says."""
    placed = []
    for drawn, width in items:
        placed.append(group(drawn, transform=f"translate({x:.1f} {y:.1f})"))
        x += width
    return group(*placed)


def _box(fill: str, stroke: str, words: str, dashes: str = "none", look: str = "") -> tuple[str, float]:
    box = element(
        "rect", y=-10, width=16, height=13, rx=3, fill=fill, stroke=stroke, stroke_dasharray=dashes, class_=look
    )
    return box + text(21, 1, words, class_="legend"), 38 + 6.6 * len(words)


def _line(colour: str, dashes: str, words: str, look: str = "") -> tuple[str, float]:
    line = element("path", d="M0 -4h22", stroke=colour, stroke_width=2, stroke_dasharray=dashes, class_=look)
    return line + text(27, 1, words, class_="legend"), 44 + 6.6 * len(words)
