"""Nets that differ in nothing but their depth, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.accuracy_grids.records import Record
from benchmarks.accuracy_report.rows import LAYERS, Row, Where, tables_of

Rows = Mapping[int, Row]  # by depth


def series_of(records: Sequence[Record]) -> dict[Where, dict[str, dict[int, Row]]]:
    """By place, of which the depth is left out (0), and by arm: the strictly plain students of every depth."""
    series: dict[Where, dict[str, dict[int, Row]]] = {}
    for place, rows in tables_of(records).items():
        arms = series.setdefault(place._replace(depth=0), {})
        for row in rows:
            if row.first["form"] == "plain":
                arms.setdefault(row.first["arm"], {})[place.depth] = row
    return series


def depths_of(arms: Mapping[str, Rows]) -> list[int]:
    return sorted({depth for rows in arms.values() for depth in rows})


def depth_tables(records: Sequence[Record]) -> Iterator[str]:
    """Lines of Markdown: points below the teacher, an arm a line and a depth a column."""
    for place, arms in series_of(records).items():
        depths = depths_of(arms)
        if len(depths) < 2:
            continue
        yield f"**Points below the teacher by layers of {LAYERS[place.block]}, {trained(place)}**\n"
        yield "| arm | " + " | ".join(map(str, depths)) + " |\n|" + "---|" * (1 + len(depths))
        for arm, rows in sorted(arms.items(), key=lambda item: at_deepest(item[1])):
            yield (
                f"| {arm} | " + " | ".join(rows[depth].told("gap") if depth in rows else "" for depth in depths) + " |"
            )
        yield ""


def trained(place: Where) -> str:
    processor = f", on {place.processor}" if place.processor else ""
    return (
        f"width {place.width}, {place.images} pictures of {place.pixels} pixels, {place.epochs} epochs after the "
        f"teacher's {place.teacher_epochs}{processor}"
    )


def at_deepest(rows: Rows) -> tuple[int, float]:
    """Sorts the arms that were run on the deepest nets first, by their gap there."""
    deepest = max(rows)
    return -deepest, rows[deepest].mean("gap")
