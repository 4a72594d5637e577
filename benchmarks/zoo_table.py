"""The sweep's rows for people: a summary on the terminal, a page in the docs."""

from __future__ import annotations

import platform
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from textwrap import shorten
from typing import Any

Row = dict[str, Any]

KINDS = ("identity", "projection", "padded", "merge")
COLUMNS = ("architecture", "input", "tracer", "adds", *KINDS, "removable", "kept", "other adds")
TOTALS = (
    "library", "files", "architectures", "traced", "refused", "crashed", "by torch.export", "adds", "regions",
    "removable", "kept",
)  # fmt: skip
PACKAGES = ("torch", "torchvision", "timm", "pytorchcv")
HEADER = """# The census over the zoo

Every add of {models} architectures: {traced} traced, {refused} refused with a reason, {crashed} crashed. Random
weights, a batch of one, the smallest input that each takes of the usual sizes and its own. Written on
{date} by `python benchmarks/zoo.py --docs docs/zoo.md` with {versions}.

"""
TABLES = """
## All architectures

* **tracer**: what gave a graph that computes what the model computes, the first that did of symbolic tracing, the same
  with leaf modules, and torch.export.
* **identity, projection, padded, merge**: regions by kind, whatever their verdict (see [census.md](census.md)).
* **removable** and **kept**: the same regions by verdict. What is kept is removed only where `--only` names it.
* **other adds**: those that are no shortcut.
"""


def print_summary(rows: list[Row]) -> None:
    """Counts by library, then every model that was not traced."""
    for line in _summary(rows):
        print(line)
    for row in _others(rows):
        print(f"\n{row['model']}: {row['outcome']}: {row['reason']}")


def write_table(rows: list[Row], path: Path) -> None:
    """The page: counts, why adds are no shortcuts, what was refused, and every architecture."""
    outcomes = Counter(row["outcome"] for row in rows)
    header = HEADER.format(
        models=len(rows), date=datetime.now(UTC).date(), versions=_versions(),
        **{outcome: outcomes[outcome] for outcome in ("traced", "refused", "crashed")},
    )  # fmt: skip
    lines = [header.rstrip("\n"), "", *_summary(rows), "", *_reasons(rows)]
    if _others(rows):
        refused = sorted((row["model"], _short(row["reason"])) for row in _others(rows))
        lines += ["", "## Refused", "", *_table(("architecture", "why"), refused)]
    lines.append(TABLES.rstrip("\n"))
    for library in _libraries(rows):
        own = sorted(_of(library, rows), key=lambda row: str(row["model"]))
        lines += [
            "",
            f"### {library}",
            "",
            *_table(COLUMNS, (_cells(row) for row in own if row["outcome"] == "traced")),
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def _summary(rows: list[Row]) -> Iterator[str]:
    """One row a library, one for all, and what second runs found."""
    counted = [(library, *_counts(_of(library, rows))) for library in _libraries(rows)]
    yield from _table(TOTALS, [*counted, ("all", *_counts(rows))])
    left = sum(row["left"] for row in rows)
    yield ""
    yield f"A second run on each graph without its removable shortcuts finds {left or 'none'} left to remove."


def _counts(rows: list[Row]) -> tuple[int, ...]:
    outcomes = Counter(row["outcome"] for row in rows)
    tracers = Counter(row["tracer"] for row in rows)
    adds, removable, kept = (sum(row[key] for row in rows) for key in ("adds", "removable", "kept"))
    files = len({(row["model"].split(":")[0], row["file"]) for row in rows})
    found = [outcomes[outcome] for outcome in ("traced", "refused", "crashed")]
    return (files, len(rows), *found, tracers["torch.export"], adds, removable + kept, removable, kept)


def _reasons(rows: list[Row]) -> Iterator[str]:
    adds, models = Counter[str](), Counter[str]()
    for row in rows:
        adds.update(row["skipped"])
        models.update(row["skipped"].keys())
    yield "## Why the other adds are no shortcuts"
    yield ""
    yield from _table(
        ("the add, or an operand of it", "adds", "architectures"),
        ((reason, count, models[reason]) for reason, count in adds.most_common()),
    )


def _cells(row: Row) -> Sequence[object]:
    name, tracer = row["model"].partition(":")[2], row["tracer"].removesuffix("_trace")
    counts = [row["kinds"].get(kind, "") for kind in KINDS]
    others = row["adds"] - row["removable"] - row["kept"]
    return (name, row["input"], tracer, row["adds"], *counts, row["removable"], row["kept"], others)


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    for cells in (columns, ["---"] * len(columns), *rows):
        yield "| " + " | ".join(map(str, cells)) + " |"


def _libraries(rows: list[Row]) -> list[str]:
    found = {row["model"].split(":")[0] for row in rows}
    return [library for library in ("torchvision", "timm", "pytorchcv") if library in found]


def _of(library: str, rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["model"].startswith(f"{library}:")]


def _others(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["outcome"] != "traced"]


def _versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package).partition('+')[0]}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _short(reason: str) -> str:
    """One line without what would break the table, and without paths of the machine it ran on."""
    relative = re.sub(r"/\S*/(?=(pytorchcv|timm|torchvision|torch)/)", "", " ".join(reason.split()))
    return shorten(relative.replace("|", "\\|"), 600, placeholder=" …")
