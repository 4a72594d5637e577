"""docs/evidence.md: what stands between a grid's two markers is written anew, all else stays as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.accuracy_grids.grid import Grid, runs_of
from benchmarks.accuracy_grids.grids import GRIDS
from benchmarks.accuracy_grids.protocols import SIZES
from benchmarks.accuracy_grids.records import Record, read_records
from benchmarks.accuracy_report.plots.draw import draw
from benchmarks.accuracy_report.side_by_side import depth_tables, size_tables
from benchmarks.accuracy_report.tables import tables
from rdpass.core.errors import ConfigError
from rdpass.core.files import new_file

SEEDS = (0, 1, 2)
OVERVIEWS = {"depth": depth_tables, "small": size_tables}  # what stands before a grid's own tables


def write_report(document: Path, results: Path, images: Path) -> list[str]:
    """Put tables and plots of every grid of ``results`` into the document; the grids that have any run.

    Raises:
        ConfigError: the document or one of its markers is missing.
    """
    text = read_document(document)
    shown = []
    for grid in GRIDS.values():
        records = read_records(results / f"{grid.name}.jsonl")
        plot = draw(grid.name, records, images)
        lines = list(section(grid, records))
        if plot is not None:
            lines.append(f"![{grid.question}]({plot.relative_to(document.parent)})\n")
        text = replaced(text, grid.name, "\n".join(lines))
        shown += [grid.name] if records else []
    with new_file(document, force=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return shown


def read_document(path: Path) -> str:
    if not path.exists():
        raise ConfigError(f"{path} is not there to be filled in")
    return path.read_text(encoding="utf-8")


def markers(grid: str) -> tuple[str, str]:
    return f"<!-- grid {grid} -->", f"<!-- end of grid {grid} -->"


def replaced(text: str, grid: str, part: str) -> str:
    """The text with ``part`` between the grid's markers."""
    begin, end = markers(grid)
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ConfigError(f"the document needs {begin} and, after it, {end}, once each")
    return f"{text[: text.index(begin) + len(begin)]}\n{part}\n{text[text.index(end) :]}"


def section(grid: Grid, records: Sequence[Record]) -> Iterator[str]:
    """An overview where the grid has one, tables, then what is missing and how to run it."""
    if grid.name in OVERVIEWS:
        yield from OVERVIEWS[grid.name](records)
    yield from tables(records)
    made = ", ".join(f"`{name}` {made_of(grid, name, records)}" for name in ("full", "reduced", "lean", "least"))
    yield (
        f"Runs made: {made}; the rest by `python benchmarks/accuracy.py --grid {grid.name} --size SIZE`, on a GPU with "
        "`--device cuda --jobs 8 --seconds 570`.\n"
    )


def made_of(grid: Grid, size: str, records: Sequence[Record]) -> str:
    """How many of a size's runs are recorded, whichever size they were recorded under."""
    runs, halved = (list(runs_of(grid, SIZES[size], SEEDS, amp)) for amp in (False, True))
    done = {record["id"] for record in records}
    made = sum(bool(done & {run.identity, other.identity}) for run, other in zip(runs, halved, strict=True))
    return f"{made} of {len(runs)}"
