"""Tables of the share of the gradient's norm that comes through the teacher, at the start and at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.research.report.plots.share_by_step import curves
from benchmarks.research.report.rows import Row, net_of, tables_of
from benchmarks.research.runs.records import Record


def share_tables(records: Sequence[Record]) -> Iterator[str]:
    """Lines of Markdown: an arm a line, two columns for each stage that a mixed path leads back to."""
    for place, rows in tables_of([record for record in records if record.get("shares")]).items():
        stages = range(1, 1 + max(len(curves(row)) for row in rows))
        columns = ["arm", *(f"stage {stage}, {when}" for stage in stages for when in ("start", "end"))]
        teachers = (
            f"teachers {place.teacher_epochs} epochs, students {place.epochs}, on {place.processor or place.device}"
        )
        yield f"**Share of the gradient's norm through the teacher: {net_of(place)}, {teachers}**\n"
        yield "| " + " | ".join(columns) + " |\n|" + "---|" * len(columns)
        yield from (share_line(row) for row in rows)
        yield ""


def share_line(row: Row) -> str:
    """The seeds' means at the first and at the last step that was logged."""
    ends = (f"{points[place][1]:.2f}" for points in curves(row) for place in (0, -1))
    return "| " + " | ".join([str(row.first["arm"]), *ends]) + " |"
