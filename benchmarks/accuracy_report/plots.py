"""Plots as SVG files that are the same bytes when the records are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.accuracy_grids.records import Record
from benchmarks.accuracy_report.rows import Row, tables_of

Plot = Callable[[Any, Sequence[Record]], bool]


def gap_by_depth(axes: Any, records: Sequence[Record]) -> bool:
    """Gap to the teacher against depth, a line for each arm and kind of block."""
    points: dict[tuple[str, str, str], list[Row]] = {}
    for rows in tables_of(records).values():
        for row in rows:
            if row.first["form"] == "plain":
                points.setdefault((row.first["block"], row.first["arm"], row.first["size"]), []).append(row)
    for (block, arm, size), rows in sorted(points.items()):
        rows.sort(key=lambda row: int(row.first["depth"]))
        axes.errorbar(
            [row.first["depth"] for row in rows], [row.mean("gap") for row in rows],
            yerr=[row.spread("gap") or 0.0 for row in rows], marker="o" if block == "basic" else "s", capsize=3,
            linestyle="-" if block == "basic" else "--", label=f"{arm} ({block}, {size})",
        )  # fmt: skip
    axes.set_xlabel("layers")
    axes.set_ylabel("points below the teacher")
    axes.set_yscale("symlog", linthresh=1)
    axes.axhline(0, color="grey", linewidth=0.5)
    return bool(points)


def share_by_step(axes: Any, records: Sequence[Record]) -> bool:
    """Share of the gradient's norm through the teacher against the training, stage by stage."""
    known = [record for record in records if record.get("shares") and record["seed"] == min(r["seed"] for r in records)]
    styles = ["-", "--", ":", "-."]
    colours: dict[str, str] = {}
    for record in known:
        colour = colours.setdefault(record["arm"] + record["block"], f"C{len(colours)}")
        for place, (_, points) in enumerate(sorted(record["shares"].items(), key=lambda item: len(item[0]))):
            label = f"{record['arm']} ({record['block']}), stage {place + 1}"
            steps, shares = zip(*points, strict=True)
            axes.plot([s / record["steps"] for s in steps], shares, styles[place % 4], color=colour, label=label)
    axes.set_xlabel("part of the training done")
    axes.set_ylabel("share of the gradient's norm through the teacher")
    return bool(known)


def gap_by_cost(axes: Any, records: Sequence[Record]) -> bool:
    """Gap against memory traffic: what else could save as much."""
    found = False
    for rows in tables_of(records).values():
        for row in rows:
            relative = row.first["traffic_bytes"] / row.first["teacher_traffic_bytes"]
            axes.errorbar(relative, row.mean("gap"), yerr=row.spread("gap") or 0.0, marker="o", capsize=3,
                          label=f"{row.first['arm']} ({row.first['block']})")  # fmt: skip
            found = True
    axes.set_xlabel("memory traffic, of the teacher's (adds in place)")
    axes.set_ylabel("points below the teacher")
    axes.axhline(0, color="grey", linewidth=0.5)
    return found


PLOTS: dict[str, Plot] = {"depth": gap_by_depth, "fade-out": share_by_step, "baselines": gap_by_cost}


def draw(grid: str, records: Sequence[Record], folder: Path) -> Path | None:
    """The grid's plot in ``folder``; None where it has none, or nothing to show."""
    shown = [record for record in records if record["size"] != "quick"]
    if grid not in PLOTS or not shown:
        return None
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context({"svg.hashsalt": grid, "font.size": 9}):
        figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
        try:
            if not PLOTS[grid](axes, shown):
                return None
            axes.legend(fontsize=7)
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{grid}.svg"
            figure.savefig(path, metadata={"Date": None})
        finally:
            pyplot.close(figure)
    return path
