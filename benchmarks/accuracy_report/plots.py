"""Plots as SVG files that are the same bytes when the records are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.accuracy_grids.records import Record
from benchmarks.accuracy_report.depths import series_of, trained
from benchmarks.accuracy_report.rows import LAYERS, tables_of

Plot = Callable[[Any, Sequence[Record]], bool]  # draws on an empty figure; whether there was anything to draw
MARKS = "osD^vP*X"


def gap_by_depth(figure: Any, records: Sequence[Record]) -> bool:
    """Gap to the teacher against depth: a panel for each kind of block, a colour for each arm, a mark for each way to
    train."""
    series = series_of(records)
    blocks = sorted({place.block for place in series})
    arms = sorted({arm for lines in series.values() for arm in lines})
    ways = list(dict.fromkeys(trained(place) for place in series))
    panels = figure.subplots(1, len(blocks), sharex=True, sharey=True, squeeze=False)[0] if blocks else []
    for place, lines in series.items():
        axes = panels[blocks.index(place.block)]
        for arm, rows in sorted(lines.items()):
            depths = sorted(rows)
            axes.errorbar(
                depths, [rows[depth].mean("gap") for depth in depths], capsize=2, color=f"C{arms.index(arm)}",
                yerr=[rows[depth].spread("gap") or 0.0 for depth in depths], markersize=4,
                marker=MARKS[ways.index(trained(place)) % len(MARKS)],
            )  # fmt: skip
    for block, axes in zip(blocks, panels, strict=True):
        axes.set(title=LAYERS[block], xlabel="layers")
        axes.set_yscale("symlog", linthresh=1)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.axhline(0, color="grey", linewidth=0.5)
    if blocks:
        panels[0].set_ylabel("points below the teacher")
        colours = [figure_line(color=f"C{place}", label=arm) for place, arm in enumerate(arms)]
        marks = [figure_line(color="grey", marker=MARKS[place % len(MARKS)], linestyle="", label=way)
                 for place, way in enumerate(ways)]  # fmt: skip
        figure.legend(handles=[*colours, *marks], loc="outside lower center", ncols=2, fontsize=7)
    return bool(blocks)


def figure_line(**told: Any) -> Any:
    """What a legend shows of lines that are drawn elsewhere."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **told)


def share_by_step(figure: Any, records: Sequence[Record]) -> bool:
    """Share of the gradient's norm through the teacher against the training, stage by stage."""
    axes = figure.subplots()
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
    axes.legend(fontsize=7)
    return bool(known)


def gap_by_cost(figure: Any, records: Sequence[Record]) -> bool:
    """Gap against memory traffic: what else could save as much."""
    axes = figure.subplots()
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
    axes.legend(fontsize=7)
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
