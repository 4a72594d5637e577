"""Accuracy against time and against the peak: for each net two panels an arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

from benchmarks.research.report.fronts import ACCURACY, PRUNED, Point, points_of, priced_tables
from benchmarks.research.report.plots.panels import AROUND, BEHIND, PANEL, legend, lowest, sample
from benchmarks.research.report.rows import net_of
from benchmarks.research.runs.records import Record

COSTS: tuple[tuple[str, Callable[[Point], float]], ...] = (
    ("estimated ms, Cortex-A72", lambda point: point.ms["rpi4"]),
    ("peak, kB", lambda point: point.peak_bytes / 1e3),
)
ARMS_ABREAST = 2
LOOKS = {"float32": {"color": "C0", "marker": "o"}, "int8": {"color": "C1", "marker": "s"}}
FRONT = "0.6"
"""Grey of the line through the pruned networks."""


def fronts(figure: Any, records: Sequence[Record]) -> bool:
    """The most accurate arms first, all others in grey behind; a line through the pruned networks in float32."""
    tables = {place: [point for kind in ACCURACY for point in points_of(rows, kind)]
              for place, rows in priced_tables(records).items()}  # fmt: skip
    if not tables:
        return False
    heights = [ceil(len(arms_of(points)) / ARMS_ABREAST) for points in tables.values()]
    figure.set_size_inches(8, PANEL * sum(heights) + AROUND + 0.4 * len(heights))
    parts = figure.subfigures(len(tables), height_ratios=heights, squeeze=False)[:, 0]
    for part, height, (place, points) in zip(parts, heights, tables.items(), strict=True):
        part.suptitle(net_of(place), fontsize=10)
        grid = part.subplots(height, len(COSTS) * ARMS_ABREAST, sharex="col", sharey=True, squeeze=False)
        cells = list(grid.reshape(-1, len(COSTS)))
        arms = arms_of(points)
        for arm, pair in zip(arms, cells, strict=False):
            for axes, (_, cost_of) in zip(pair, COSTS, strict=True):
                draw_arm(axes, arm, points, cost_of)
            pair[0].set_title(arm, fontsize=8, loc="left")
        for pair in cells[len(arms) :]:
            for axes in pair:
                axes.remove()
        for panels, (name, _) in zip(zip(*cells[: len(arms)], strict=True), COSTS, strict=True):
            lowest(panels, min(ARMS_ABREAST, len(arms)), name)
        part.supylabel("test, %", fontsize=9)
    samples = [sample(**look, linestyle="", label=precision) for precision, look in LOOKS.items()]
    legend(figure, [*samples, sample(color=FRONT, label="through the pruned networks, in float32")])
    return True


def arms_of(points: Sequence[Point]) -> list[str]:
    """The arms, the most accurate first."""
    best: dict[str, float] = {}
    for point in points:
        best[point.arm] = max(best.get(point.arm, 0.0), point.accuracy)
    return sorted(best, key=lambda arm: (-best[arm], arm))


def draw_arm(axes: Any, arm: str, points: Sequence[Point], cost_of: Callable[[Point], float]) -> None:
    """One arm in both precisions before all others, with its spread over seeds."""
    for point in points:
        if point.arm != arm:
            axes.plot(cost_of(point), point.accuracy, ".", color=BEHIND, markersize=4, zorder=0)
            continue
        spread = point.row.spread(ACCURACY[point.precision]) or 0.0
        axes.errorbar(cost_of(point), point.accuracy, yerr=spread, elinewidth=0.8, capsize=2, markersize=5,
                      linestyle="", **LOOKS[point.precision])  # fmt: skip
    line = sorted((cost_of(point), point.accuracy) for point in points
                  if point.made_by in PRUNED and point.precision == "float32")  # fmt: skip
    if line:
        axes.plot(*zip(*line, strict=True), color=FRONT, linewidth=0.7, zorder=1)
    axes.set_xscale("log")
    axes.tick_params(labelsize=7, which="both")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
