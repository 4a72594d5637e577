"""Share of the gradient's norm that comes through the teacher, over the training."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import Any

from benchmarks.research.report.plots.panels import Places, legend, panels, sample
from benchmarks.research.report.rows import Row, net_of, tables_of
from benchmarks.research.runs.records import Record

STYLES = ["-", "--", ":", "-."]


def share_by_step(figure: Any, records: Sequence[Record]) -> bool:
    """A panel for each net, a colour for each arm, a style for each stage with a mixed path behind it; seeds' means."""
    tables = tables_of([record for record in records if record.get("shares")])
    if not tables:
        return False
    upwards = "share of the gradient's norm through the teacher"
    shown = panels(figure, {place: net_of(place) for place in tables}, "part of the training done", upwards, 3.3)
    arms, stages = Places(), Places()
    for place, rows in tables.items():
        for row in sorted(rows, key=lambda row: str(row.first["arm"])):
            for stage, points in enumerate(curves(row), 1):
                steps, shares = zip(*points, strict=True)
                shown[place].plot(steps, shares, STYLES[stages[stage]], color=f"C{arms[row.first['arm']]}")
    colours = [sample(color=f"C{arms[arm]}", label=arm) for arm in arms]
    styles = [sample(color="grey", linestyle=STYLES[stages[stage]], label=f"stage {stage}") for stage in stages]
    legend(figure, [*colours, *styles])
    return True


def curves(row: Row) -> list[list[tuple[float, float]]]:
    """For each stage, in the network's order, the part of the training done and the seeds' mean share there.

    Behind the last stage and the head no mixed path begins, so nothing comes through the teacher: left out.
    """
    means = [
        [
            (points[0][0] / row.first["steps"], mean(share for _, share in points))
            for points in zip(*(record["shares"][stage] for record in row.records), strict=True)
        ]
        for stage in row.first["shares"]
    ]
    return [points for points in means if any(share for _, share in points)]
