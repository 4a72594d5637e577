"""Records become rows: the seeds of one cell together, mean and spread."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.research.runs.records import Record

SHOWN = ("full", "source", "reduced", "lean", "least")  # sizes; quick runs show that things work, not how well
LAYERS = {"basic": "BasicBlocks", "bottleneck": "bottlenecks", "inverted": "inverted residuals"}


class Where(NamedTuple):
    """Everything that has to be equal for two records to stand in one table; sorts as the tables do.

    ``size``: its place in ``SHOWN``. ``device``: ``cpu`` or a GPU's name. ``processor``: the CPU's, empty where that
    is not recorded; another processor rounds otherwise, so its teachers are others.
    """

    size: int
    block: str
    depth: int
    width: int
    amp: bool
    device: str
    processor: str
    data: str
    images: int
    pixels: int
    batch: int
    teacher_epochs: int
    epochs: int


@dataclass(frozen=True)
class Row:
    """One arm on one network: its records by seed."""

    records: tuple[Record, ...]

    @property
    def first(self) -> Record:
        return self.records[0]

    @property
    def seeds(self) -> list[int]:
        return [record["seed"] for record in self.records]

    def has(self, field: str) -> bool:
        """Whether every seed has it."""
        return all(isinstance(record.get(field), int | float) for record in self.records)

    def mean(self, field: str) -> float:
        return float(statistics.mean(record[field] for record in self.records))

    def spread(self, field: str) -> float | None:
        """The standard deviation over seeds; None for a single one."""
        return statistics.stdev(record[field] for record in self.records) if len(self.records) > 1 else None

    def told(self, field: str) -> str:
        """Mean ± sd, two digits; nothing where it is not known."""
        if not self.has(field):
            return ""
        spread = self.spread(field)
        return f"{self.mean(field):.2f}" + (f" ± {spread:.2f}" if spread is not None else "")


def net_of(place: Where) -> str:
    return f"{place.depth} layers of {LAYERS[place.block]}, width {place.width}"


def where(record: Record) -> Where:
    told = {"processor": "", **record, "size": SHOWN.index(record["size"])}
    return Where(*(told[field] for field in Where._fields))


def tables_of(records: Iterable[Record]) -> dict[Where, list[Row]]:
    """By place, the rows in the order of their gaps, smallest first; quick runs left out."""
    cells: dict[Where, dict[str, dict[int, Record]]] = {}
    for record in with_gaps([record for record in records if record["size"] in SHOWN]):
        cells.setdefault(where(record), {}).setdefault(record["arm"], {})[record["seed"]] = record
    return {
        place: sorted((row_of(seeds.values()) for seeds in arms.values()), key=order)
        for place, arms in sorted(cells.items())
    }


def order(row: Row) -> float:
    return row.mean("gap") if row.has("gap") else float("inf")


def with_gaps(records: Sequence[Record]) -> Iterator[Record]:
    """Add the gap on validation images, and both gaps of what was tuned on other images.

    The latter are to the residual network that was tuned there in the same way.
    """
    known = {
        tuning(record): record for record in records if record["recipe"] == "transfer" and not record["settings"]["of"]
    }
    for record in records:
        if record["recipe"] != "transfer":
            yield {**record, "validation_gap": round(record["teacher_validation"] - record["validation"], 2)}
        elif other := known.get(tuning(record)):
            gaps = (round(other[field] - record[field], 2) for field in ("accuracy", "validation"))
            yield {**record, **dict(zip(("gap", "validation_gap"), gaps, strict=True))}
        else:
            yield record


def tuning(record: Record) -> tuple[object, ...]:
    """Where, from which seed and how a network was tuned; not what it was before."""
    how = {name: value for name, value in record["settings"].items() if name != "of"}
    return *where(record), record["seed"], json.dumps(how, sort_keys=True)


def row_of(records: Iterable[Record]) -> Row:
    return Row(tuple(sorted(records, key=lambda record: int(record["seed"]))))


def by_form(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Strictly plain students apart from those with projections, carried channels or all their shortcuts."""
    forms: dict[str, list[Row]] = {form: [] for form in ("plain", "projections", "carried", "residual")}
    for row in rows:
        forms[row.first["form"]].append(row)
    return {form: members for form, members in forms.items() if members}
