"""Plots as SVG files that are the same bytes when the records are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.research.report.plots.fronts import fronts
from benchmarks.research.report.plots.gap_by_cost import gap_by_cost
from benchmarks.research.report.plots.gap_by_depth import gap_by_depth
from benchmarks.research.report.plots.share_by_step import share_by_step
from benchmarks.research.runs.records import Record

Plot = Callable[[Any, Sequence[Record]], bool]  # draws on an empty figure; whether there was anything to draw

PLOTS: dict[str, Plot] = {
    "depth": gap_by_depth, "fade-out": share_by_step, "baselines": gap_by_cost, "pareto": fronts
}  # fmt: skip


def draw(grid: str, records: Sequence[Record], folder: Path) -> Path | None:
    """The grid's plot in ``folder``; None where it has none, or nothing to show."""
    shown = [record for record in records if record["size"] != "quick"]
    if grid not in PLOTS or not shown:
        return None
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context({"svg.hashsalt": grid, "font.size": 9}):
        figure = pyplot.figure(figsize=(8, 4.6), layout="constrained")
        try:
            if not PLOTS[grid](figure, shown):
                return None
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{grid}.svg"
            figure.savefig(path, metadata={"Date": None})
        finally:
            pyplot.close(figure)
    return path
