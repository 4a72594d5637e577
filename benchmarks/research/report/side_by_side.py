"""Nets, or trainings, that differ in one thing alone, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.research.report.rows import LAYERS, Row, Where, net_of, tables_of
from benchmarks.research.runs.records import Record

Rows = Mapping[int, Row]  # by what differs


@dataclass(frozen=True)
class Axis:
    """``field`` differs, and with it ``follows``; nothing else."""

    field: Literal["depth", "images"]
    follows: tuple[Literal["epochs", "teacher_epochs"], ...] = ()

    def at(self, place: Where) -> int:
        return int(getattr(place, self.field))

    def without(self, place: Where) -> Where:
        nothing: dict[str, Any] = dict.fromkeys((self.field, *self.follows), 0)
        return place._replace(**nothing)


DEPTH = Axis("depth")
IMAGES = Axis("images", ("epochs", "teacher_epochs"))  # as many steps on fewer images are more epochs


def series_of(records: Sequence[Record], axis: Axis) -> dict[Where, dict[str, dict[int, Row]]]:
    """By place without the axis, and by arm: the strictly plain students along it."""
    series: dict[Where, dict[str, dict[int, Row]]] = {}
    for place, rows in tables_of(records).items():
        arms = series.setdefault(axis.without(place), {})
        for row in rows:
            if row.first["form"] == "plain":
                arms.setdefault(row.first["arm"], {})[axis.at(place)] = row
    return series


def depth_tables(records: Sequence[Record]) -> Iterator[str]:
    """Lines of Markdown: points below the teacher, an arm a line and a depth a column."""
    for place, arms in series_of(records, DEPTH).items():
        yield from table(f"by layers of {LAYERS[place.block]}, {trained(place)}", arms)


def size_tables(records: Sequence[Record]) -> Iterator[str]:
    """``depth_tables``, then the same with a number of images a column."""
    yield from depth_tables(records)
    for place, arms in series_of(records, IMAGES).items():
        told = f"by images of {place.pixels} pixels, as many steps on each number{on_processor(place)}"
        yield from table(f"{told}: {net_of(place)}", arms)


def table(title: str, arms: Mapping[str, Rows]) -> Iterator[str]:
    """Nothing where there is one column only."""
    columns = sorted({column for rows in arms.values() for column in rows})
    if len(columns) < 2:
        return
    yield f"**Points below the teacher {title}**\n"
    yield "| arm | " + " | ".join(map(str, columns)) + " |\n|" + "---|" * (1 + len(columns))
    for arm, rows in sorted(arms.items(), key=lambda item: at_last(item[1])):
        cells = (rows[column].told("gap") if column in rows else "" for column in columns)
        yield f"| {arm} | " + " | ".join(cells) + " |"
    yield ""


def trained(place: Where) -> str:
    return (
        f"width {place.width}, {place.images} images of {place.pixels} pixels, {place.epochs} epochs after the "
        f"teacher's {place.teacher_epochs}{on_processor(place)}"
    )


def on_processor(place: Where) -> str:
    return f", on {place.processor}" if place.processor else ""


def at_last(rows: Rows) -> tuple[int, float]:
    """Sorts the arms that reach the last columns first, by their gap there."""
    last = max(rows)
    return -last, rows[last].mean("gap")
