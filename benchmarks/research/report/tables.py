"""Markdown tables: one for each network, size and device, with a part for each form of student."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.research.report.rows import LAYERS, Row, by_form, tables_of
from benchmarks.research.runs.records import Record

FORMS = {
    "plain": "strictly plain",
    "projections": "identities gone, projections kept",
    "carried": "exact: shortcuts carried on extra channels",
    "residual": "with shortcuts",
}
COLUMNS = (
    "arm", "test, %", "below its teacher", "the same on validation", "seeds", "MACs", "peak kB, in place / separate",
    "traffic kB",
)  # fmt: skip
EXTRA = {  # field: column
    "float_accuracy": "before, %", "lost": "lost", "pruned_share": "channels pruned", "student_net": "net",
    "loss": "last loss",
}  # fmt: skip


def tables(records: Sequence[Record]) -> Iterator[str]:
    """Lines of Markdown."""
    for rows in tables_of(records).values():
        yield f"**{title(rows)}**\n"
        extra = [field for field in EXTRA if any(field in row.first for row in rows)]
        yield header(extra)
        for form, members in by_form(rows).items():
            yield f"| *{FORMS[form]}* |" + " |" * (len(COLUMNS) - 1 + len(extra))
            yield from (line(row, extra) for row in members)
        yield ""


def title(rows: Sequence[Row]) -> str:
    """What all rows have in common."""
    first = rows[0].first
    teachers = {record["seed"]: record["teacher_accuracy"] for row in rows for record in row.records}
    listed = ", ".join(f"{teachers[seed]:.2f}" for seed in sorted(teachers))
    place = first.get("processor") or first["device"].replace("cpu", "CPU")
    return (
        f"{first['depth']} layers of {LAYERS[first['block']]}, width {first['width']}; {first['images']} images of "
        f"{first['pixels']} pixels ({first['data']}), teachers {first['teacher_epochs']} epochs, students "
        f"{first['epochs']}, batch {first['batch']}, on {place}{', bfloat16' if first['amp'] else ''}; "
        f"teachers: {listed} %"
    )


def header(extra: Sequence[str]) -> str:
    names = [*COLUMNS, *(EXTRA[field] for field in extra)]
    return "| " + " | ".join(names) + " |\n|" + "---|" * len(names)


def line(row: Row, extra: Sequence[str]) -> str:
    first = row.first
    values = [
        first["arm"], row.told("accuracy"), row.told("gap"), row.told("validation_gap"), ", ".join(map(str, row.seeds)),
        f"{row.mean('macs') / 1e6:.2f} M", f"{first['peak_bytes'] / 1e3:.1f} / {first['separate_bytes'] / 1e3:.1f}",
        f"{row.mean('traffic_bytes') / 1e3:.0f}",
    ]  # fmt: skip
    for field in extra:
        value = first.get(field, "")
        values.append(row.told(field) if row.has(field) else str(value))
    return "| " + " | ".join(values) + " |"
