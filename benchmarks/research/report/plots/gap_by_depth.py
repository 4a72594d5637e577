"""Gap to the teacher against depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.research.report.plots.panels import MARKS, Places, legend, panels, sample
from benchmarks.research.report.rows import LAYERS, SHOWN, Where
from benchmarks.research.report.side_by_side import DEPTH, Rows, series_of, trained
from benchmarks.research.runs.records import Record


def gap_by_depth(figure: Any, records: Sequence[Record]) -> bool:
    """A panel for each kind of block, a colour for each arm, a mark for each way to train.

    What was run at one depth alone is drawn only where it is of full size; the tables have all.
    """
    from matplotlib import colormaps

    series = {place: lines for place, arms in series_of(records, DEPTH).items() if (lines := drawn(place, arms))}
    if not series:
        return False
    palette = colormaps["tab20"].colors  # type: ignore[attr-defined]
    shown = panels(figure, {place.block: LAYERS[place.block] for place in series})
    arms, ways = Places(), Places()

    def colour(arm: str) -> Any:
        return palette[arms[arm] % len(palette)]

    for place, lines in series.items():
        for arm, rows in sorted(lines.items()):
            depths, mark = sorted(rows), MARKS[ways[trained(place)] % len(MARKS)]
            shown[place.block].errorbar(
                depths, [rows[depth].mean("gap") for depth in depths], capsize=2, markersize=4, marker=mark,
                yerr=[rows[depth].spread("gap") or 0.0 for depth in depths], color=colour(arm),
            )  # fmt: skip
    for axes in shown.values():
        axes.set(xlabel="layers", ylabel="points below the teacher", yscale="symlog")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.axhline(0, color="grey", linewidth=0.5)
        axes.label_outer()
    colours = [sample(color=colour(arm), label=arm) for arm in arms]
    marks = [sample(color="grey", marker=MARKS[ways[way] % len(MARKS)], linestyle="", label=way) for way in ways]
    legend(figure, [*colours, *marks])
    return True


def drawn(place: Where, arms: Mapping[str, Rows]) -> dict[str, Rows]:
    return {arm: rows for arm, rows in arms.items() if SHOWN[place.size] == "full" or len(rows) > 1}
