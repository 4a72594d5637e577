"""Gap to the teacher against memory traffic (adds in place): what else could save as much."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import Any

from benchmarks.research.report.plots.panels import BEHIND, MARKS, Places, legend, panels, sample
from benchmarks.research.report.rows import Row, net_of, tables_of
from benchmarks.research.runs.records import Record


def gap_by_cost(figure: Any, records: Sequence[Record]) -> bool:
    """A panel for each arm, those that lose least on the mean first, and a colour and mark for each net."""
    points = [(net_of(place), row) for place, rows in tables_of(records).items() for row in rows]
    if not points:
        return False
    gaps: dict[str, list[float]] = {}
    for _, row in points:
        gaps.setdefault(row.first["arm"], []).append(row.mean("gap"))
    arms = sorted(gaps, key=lambda arm: (mean(gaps[arm]), arm))
    shown = panels(figure, {arm: arm for arm in arms}, "traffic, of the teacher's", "points below the teacher")
    nets = Places()
    for net, row in points:
        for arm, axes in shown.items():
            if arm != row.first["arm"]:
                axes.plot(traffic(row), row.mean("gap"), marker=".", color=BEHIND, zorder=0)
        shown[row.first["arm"]].errorbar(
            traffic(row), row.mean("gap"), yerr=row.spread("gap") or 0.0, capsize=2, markersize=4, **look(nets[net])
        )
    for axes in shown.values():
        axes.axhline(0, color="grey", linewidth=0.5)
    legend(figure, [sample(**look(nets[net]), linestyle="", label=net) for net in nets])
    return True


def traffic(row: Row) -> float:
    """Of the teacher's."""
    return float(row.first["traffic_bytes"] / row.first["teacher_traffic_bytes"])


def look(place: int) -> dict[str, str]:
    """A colour and a mark, for readers who see no colours."""
    return {"color": f"C{place % 10}", "marker": MARKS[place % len(MARKS)]}
