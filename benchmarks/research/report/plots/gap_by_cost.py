"""Gap to the teacher against memory traffic: what else could save as much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.research.report.plots.panels import MARKS, Places, legend, panels, sample
from benchmarks.research.report.rows import net_of, tables_of
from benchmarks.research.runs.records import Record


def gap_by_cost(figure: Any, records: Sequence[Record]) -> bool:
    """A panel for each net, a colour and mark for each arm."""
    tables = tables_of(records)
    if not tables:
        return False
    shown = panels(figure, {place: net_of(place) for place in tables})
    arms = Places()
    for place, rows in tables.items():
        for row in rows:
            relative = row.first["traffic_bytes"] / row.first["teacher_traffic_bytes"]
            shown[place].errorbar(
                relative, row.mean("gap"), yerr=row.spread("gap") or 0.0, capsize=3, **look(arms[row.first["arm"]])
            )
    for axes in shown.values():
        axes.set(xlabel="memory traffic, of the teacher's (adds in place)", ylabel="points below the teacher")
        axes.axhline(0, color="grey", linewidth=0.5)
        axes.label_outer()
    legend(figure, [sample(**look(arms[arm]), linestyle="", label=arm) for arm in arms])
    return True


def look(place: int) -> dict[str, str]:
    """More arms than colours: the marks change with each round of them."""
    return {"color": f"C{place % 10}", "marker": MARKS[place // 10 % len(MARKS)]}
