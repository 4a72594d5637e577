"""The pages of docs/evidence/: one a grid, and one of the comparison of recipes, each a function of recorded lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.research.compare_recipes import recorded, summary
from benchmarks.research.grids.catalogue import GRIDS
from benchmarks.research.grids.grid import Grid, runs_of
from benchmarks.research.protocols import SIZES
from benchmarks.research.report.fronts import front_tables, verdict
from benchmarks.research.report.plots.draw import draw
from benchmarks.research.report.shares import share_tables
from benchmarks.research.report.side_by_side import depth_tables, size_tables
from benchmarks.research.report.tables import tables
from benchmarks.research.runs.records import Record, read_records
from rdpass.core.files import new_file

SEEDS = (0, 1, 2)
OVERVIEWS: dict[str, Callable[[Sequence[Record]], Iterator[str]]] = {  # what stands before a grid's own tables
    "depth": depth_tables,
    "small": size_tables,
    "fade-out": share_tables,
    "pareto": front_tables,
}
VERDICTS: dict[str, Callable[[Sequence[Record]], Iterator[str]]] = {"pareto": verdict}  # what a page begins with


def write_pages(docs: Path, results: Path) -> list[Path]:
    """Write ``docs/evidence/*.md`` and ``docs/img/*.svg`` from the lines in ``results``; the pages' paths."""
    texts = {grid.name: grid_page(grid, read_records(results / f"{grid.name}.jsonl"), docs) for grid in GRIDS.values()}
    texts["recipes"] = recipes_page(results / "recipes.jsonl")
    paths = []
    for name, text in texts.items():
        paths.append(docs / "evidence" / f"{name}.md")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        with new_file(paths[-1], force=True) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return paths


def grid_page(grid: Grid, records: Sequence[Record], docs: Path) -> str:
    """The whole page; its plot is drawn into ``docs/img``."""
    title, *rest = head(grid.name, grid.question)
    lines = [title, *(VERDICTS[grid.name](records) if grid.name in VERDICTS else ()), *rest]
    if plot := draw(grid.name, records, docs / "img"):
        lines.append(f"![{grid.question}](../img/{plot.name})\n")
    if grid.name in OVERVIEWS:
        lines += OVERVIEWS[grid.name](records)
    return "\n".join([*lines, *tables(records), runs_made(grid, records)]) + "\n"


def recipes_page(results: Path) -> str:
    question = "Which recipe gives the best plain network, block by block?"
    protocol = (
        "Narrow three-stage networks (widths 8, 16, 32; four times that outside bottlenecks), 6400 training images of "
        "14 x 14 pixels (bottlenecks 12 x 12), accuracy on 5600 others, teachers 12 epochs, students 8, last epoch. "
        "Gaps are in points below the teacher, in the order of the seeds."
    )
    return "\n".join([*head("recipes", question), protocol, *summary(recorded(results))]) + "\n"


def head(name: str, question: str) -> Iterator[str]:
    """A title, the question, and where the figures come from."""
    yield f"# {name.capitalize()}\n"
    yield f"{question} The answer in short is in [evidence.md](../evidence.md).\n"
    yield f"Generated from `benchmarks/research/results/{name}.jsonl` by `python -m benchmarks.research --report`;"
    yield "[how it is measured](../../benchmarks/research/README.md#how-it-is-measured) explains the columns.\n"


def runs_made(grid: Grid, records: Sequence[Record]) -> str:
    made = ", ".join(f"`{name}` {made_of(grid, name, records)}" for name in ("full", "reduced", "lean", "least"))
    return f"Runs made: {made}; the rest by `python -m benchmarks.research --grid {grid.name} --size SIZE`."


def made_of(grid: Grid, size: str, records: Sequence[Record]) -> str:
    """How many of a size's runs are recorded, whichever size they were recorded under."""
    runs, halved = (list(runs_of(grid, SIZES[size], SEEDS, amp)) for amp in (False, True))
    done = {record["id"] for record in records}
    made = sum(bool(done & {run.identity, other.identity}) for run, other in zip(runs, halved, strict=True))
    return f"{made} of {len(runs)}"
