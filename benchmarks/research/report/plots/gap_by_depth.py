"""Gap to the teacher against depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.research.report.plots.panels import BEHIND, Places, legend, panels, sample
from benchmarks.research.report.rows import LAYERS, SHOWN, Where
from benchmarks.research.report.side_by_side import DEPTH, Rows, series_of, trained
from benchmarks.research.runs.records import Record


def gap_by_depth(figure: Any, records: Sequence[Record]) -> bool:
    """A panel for each arm, those that lose least at the greatest depth first, and a colour for each kind of block.

    What was run at one depth alone is drawn only where it is of full size; the tables have all.
    """
    series = {place: lines for place, arms in series_of(records, DEPTH).items() if (lines := drawn(place, arms))}
    if not series:
        return False
    shown = panels(figure, {arm: arm for arm in by_gap(series)}, "layers", "points below the teacher")
    kinds = Places()
    for place, lines in series.items():
        kind = f"{LAYERS[place.block]}, {trained(place)}"
        for arm, rows in sorted(lines.items()):
            depths = sorted(rows)
            gaps = [rows[depth].mean("gap") for depth in depths]
            for other, axes in shown.items():
                if other != arm:
                    axes.plot(depths, gaps, color=BEHIND, linewidth=0.7, zorder=0)
            shown[arm].errorbar(
                depths, gaps, yerr=[rows[depth].spread("gap") or 0.0 for depth in depths], capsize=2, markersize=3,
                marker="o", linewidth=1.3, color=f"C{kinds[kind]}",
            )  # fmt: skip
    for axes in shown.values():
        axes.set_yscale("symlog")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.axhline(0, color="grey", linewidth=0.5)
    legend(figure, [sample(color=f"C{kinds[kind]}", marker="o", label=kind) for kind in kinds])
    return True


def drawn(place: Where, arms: Mapping[str, Rows]) -> dict[str, Rows]:
    return {arm: rows for arm, rows in arms.items() if SHOWN[place.size] == "full" or len(rows) > 1}


def by_gap(series: Mapping[Where, Mapping[str, Rows]]) -> list[str]:
    """The arms, by what they lose at their greatest depth in the net where that is most."""
    most: dict[str, float] = {}
    for lines in series.values():
        for arm, rows in lines.items():
            most[arm] = max(most.get(arm, float("-inf")), rows[max(rows)].mean("gap"))
    return sorted(most, key=lambda arm: (most[arm], arm))
