"""Accuracy against time and against the peak, a row of panels for each net."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.research.report.fronts import ACCURACY, PRUNED, Point, points_of, priced_tables
from benchmarks.research.report.plots.panels import MARKS, Places, legend, sample
from benchmarks.research.report.rows import net_of
from benchmarks.research.runs.records import Record

COSTS: tuple[tuple[str, Callable[[Point], float]], ...] = (
    ("estimated ms, Cortex-A72", lambda point: point.ms["rpi4"]),
    ("peak, kB", lambda point: point.peak_bytes / 1e3),
)


def fronts(figure: Any, records: Sequence[Record]) -> bool:
    """A colour and mark for each arm, filled in float32 and hollow in int8; a line through the pruned networks."""
    tables = priced_tables(records)
    if not tables:
        return False
    figure.set_size_inches(8, 2.8 * len(tables) + 1.6)
    grid = figure.subplots(len(tables), len(COSTS), squeeze=False)
    arms = Places()
    for row, (place, rows) in zip(grid, tables.items(), strict=True):
        for axes, (label, cost_of) in zip(row, COSTS, strict=True):
            for precision in ACCURACY:
                points = points_of(rows, precision)
                for point in sorted(points, key=lambda point: point.arm):
                    spread = point.row.spread(ACCURACY[precision]) or 0.0
                    mark = look(arms[point.arm], precision == "float32")
                    axes.errorbar(cost_of(point), point.accuracy, yerr=spread, elinewidth=0.5, capsize=2, **mark)
                line = sorted((cost_of(point), point.accuracy) for point in points if point.made_by in PRUNED)
                axes.plot(*zip(*line, strict=True), color="grey", linewidth=0.6, zorder=0) if line else None
            axes.set(xlabel=label, ylabel="test, %", xscale="log", title=net_of(place))
            axes.title.set_fontsize(9)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("{x:g}")
    hollow = {**look(0, False), "color": "grey", "label": "hollow: in int8"}
    legend(figure, [*(sample(**look(arms[arm], True), label=arm) for arm in arms), sample(**hollow)])
    return True


def look(place: int, filled: bool) -> dict[str, Any]:
    """More arms than colours: the marks change with each round of them."""
    colour = f"C{place % 10}"
    return {"color": colour, "marker": MARKS[place // 10 % len(MARKS)], "linestyle": "", "markersize": 5,
            "markerfacecolor": colour if filled else "none"}  # fmt: skip
