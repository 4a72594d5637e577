"""Networks against what they cost on boards: points, what the front of the pruned ones takes, tables and a verdict.

The front of the pruned residual networks, in peak: for an accuracy, the least peak among residual networks, pruned or
not, that are as accurate. A network lies on or above it where its own peak is no larger. Means over seeds decide;
their spread stands in the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Literal

from benchmarks.research.report.rows import Row, Where, net_of, tables_of
from benchmarks.research.runs.records import Record

Precision = Literal["float32", "int8"]
ACCURACY: Mapping[Precision, str] = {"float32": "accuracy", "int8": "int8_accuracy"}  # fields of a record
BOTH = ("staged", "narrowed")  # recipes that prune and remove
PRUNED = ("keep", "residual", "prune")  # recipes that keep every shortcut of the very network
COLUMNS = ("network", "test, %", "below its teacher", "seeds", "ms, Cortex-A72", "ms, Cortex-A76", "peak kB",
           "kB from memory", "weights kB", "front's peak at its accuracy")  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One network in one precision, means over its seeds.

    ``ms``: by board. The bytes are those of the first board's kernels.
    """

    row: Row
    precision: Precision
    accuracy: float
    ms: Mapping[str, float]
    peak_bytes: float
    dram_bytes: float
    weight_bytes: float

    @property
    def arm(self) -> str:
        return str(self.row.first["arm"])

    @property
    def made_by(self) -> str:
        """The recipe of the arm."""
        return str(self.row.first["settings"]["of"]["recipe"])


def points_of(rows: Sequence[Row], precision: Precision) -> list[Point]:
    """The points of one table's rows, the most accurate first."""
    points = []
    for row in rows:
        costs = [record["costs"] for record in row.records]
        boards: list[str] = [*costs[0]]

        def averaged(board: str, field: str, costs: Sequence[Any] = costs) -> float:
            return float(mean(each[board][precision][field] for each in costs))

        points.append(
            Point(
                row, precision, row.mean(ACCURACY[precision]), {board: averaged(board, "ms") for board in boards},
                *(averaged(boards[0], field) for field in ("peak_bytes", "dram_bytes", "weight_bytes")),
            )
        )  # fmt: skip
    return sorted(points, key=lambda point: -point.accuracy)


def front_peak(point: Point, points: Sequence[Point]) -> float:
    """The least peak among residual networks, pruned or not, that are as accurate as ``point``; infinite for none."""
    as_good = (each.peak_bytes for each in points if each.made_by in PRUNED and each.accuracy >= point.accuracy)
    return min(as_good, default=float("inf"))


def priced_tables(records: Sequence[Record]) -> dict[Where, list[Row]]:
    """By place, the rows whose every record has costs."""
    return tables_of([record for record in records if "costs" in record])


def verdict(records: Sequence[Record]) -> Iterator[str]:
    """A paragraph: whether pruned and plain lies on or above the front of the pruned networks, and by how much."""
    compared = [
        (place, precision, point, front_peak(point, points) / point.peak_bytes)
        for place, rows in priced_tables(records).items()
        for precision in ACCURACY
        for points in [points_of(rows, precision)]
        for point in points
        if point.made_by in BOTH
    ]
    if not compared:
        yield "No network that is pruned and plain has been recorded yet, so nothing is said about it here.\n"
        return
    below = [each for each in compared if each[3] < 1]
    whole = f"{len(compared)} networks (an arm in one precision each) that are pruned and plain"
    if below:
        yield (
            "**Pruned *and* plain does not lie on or above the front of pruned residual networks in peak memory at"
            f" every accuracy**: of {whole}, {len(below)} lie below it."
        )
    else:
        yield (
            "**Pruned *and* plain lies on or above the front of pruned residual networks in peak memory at every"
            f" accuracy that was measured**: so do all {whole}."
        )
    yield " ".join(_by_net(compared)) + "\n"


def _by_net(compared: Sequence[tuple[Where, Precision, Point, float]]) -> Iterator[str]:
    """For each net and precision how many times the peak the front takes."""
    yield "At equal accuracy the front takes, in times the peak of what is pruned and plain,"
    told = []
    for place, precision in dict.fromkeys((place, precision) for place, precision, _, _ in compared):
        ratios = [ratio for where, kind, _, ratio in compared if (where, kind) == (place, precision)]
        told.append(f"{_times(min(ratios))} to {_times(max(ratios))} ({net_of(place)}, {precision})")
    yield "; ".join(told) + "."


def _times(ratio: float) -> str:
    return "any" if ratio == float("inf") else f"{ratio:.2f}"


def front_tables(records: Sequence[Record]) -> Iterator[str]:
    """Lines of Markdown: for each net and precision its networks, the most accurate first."""
    for place, rows in priced_tables(records).items():
        for precision in ACCURACY:
            points = points_of(rows, precision)
            yield (
                f"**{net_of(place)}, {place.pixels} pixels, in {precision}; students {place.epochs} epochs, on "
                f"{place.processor or place.device}**\n"
            )
            yield "| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS)
            yield from (_line(point, points) for point in points)
            yield ""


def _line(point: Point, points: Sequence[Point]) -> str:
    row, ratio = point.row, front_peak(point, points) / point.peak_bytes
    below = mean(record["teacher_accuracy"] for record in row.records) - point.accuracy
    values = [
        point.arm, row.told(ACCURACY[point.precision]), f"{below:.2f}", ", ".join(map(str, row.seeds)),
        *(f"{ms:.3f}" for ms in point.ms.values()), f"{point.peak_bytes / 1e3:.1f}",
        f"{point.dram_bytes / 1e3:.0f}", f"{point.weight_bytes / 1e3:.0f}",
        "none is as accurate" if ratio == float("inf") else f"{ratio:.2f} times",
    ]  # fmt: skip
    return "| " + " | ".join(values) + " |"
