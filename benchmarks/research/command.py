"""The command line of the grids."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.research.arms.bench import Machine
from benchmarks.research.grids.catalogue import GRIDS
from benchmarks.research.grids.grid import Run, runs_of
from benchmarks.research.images.sources import DATA
from benchmarks.research.protocols import SIZES
from benchmarks.research.report.footprints import equal_footprints
from benchmarks.research.report.pages import write_pages
from benchmarks.research.runs.listing import planned
from benchmarks.research.runs.parallel import run_jobs
from benchmarks.research.runs.records import read_records
from benchmarks.research.runs.time_limit import TimeLimit
from benchmarks.research.runs.work import Work, missing
from rdpass.core.errors import ConfigError, RdpassError

RESULTS = Path(__file__).with_name("results")
DOCS = Path(__file__).parents[2] / "docs"
INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks.research", description="Grids of accuracy experiments.")
    made.add_argument("--grid", choices=GRIDS)
    made.add_argument("--report", action="store_true", help="write the pages of docs/evidence/ and their plots")
    made.add_argument("--footprints", action="store_true", help="what a ResNet gives up at equal cost; trains nothing")
    made.add_argument("--size", choices=SIZES, default="reduced")
    made.add_argument("--data", choices=DATA, help="default: the size's own")
    made.add_argument("--data-root", type=Path, help="the folder that holds the images' files")
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    made.add_argument("--nets", nargs="+", default=[], help="only nets whose names hold one of these")
    made.add_argument("--arms", nargs="+", default=[], help="only arms of these names")
    made.add_argument("--epochs", type=int, help="only runs whose students train for so many epochs")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    made.add_argument("--amp", action="store_true", help="bfloat16 forward passes")
    made.add_argument("--jobs", type=int, default=1, help="so many processes share the grid")
    made.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long; the next call goes on")
    made.add_argument("--results", type=Path, help="default: benchmarks/research/results/GRID.jsonl")
    made.add_argument("--work", type=Path, default=Path("accuracy-out"), help="teachers, students, claims")
    made.add_argument("--json", action="store_true", help="a line for each run made, on stdout")
    made.add_argument("--list", action="store_true", help="what is left to run and how long it may take; runs nothing")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit codes of rdpass: 2 for wrong arguments and data that are missing, 130 for an interrupt."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(given)
    limit = TimeLimit(options.seconds if options.jobs == 1 and not options.list else float("inf"))
    try:
        with limit:
            if options.report:
                return report()
            if options.footprints:
                print("\n".join(equal_footprints(SIZES[options.size])))
                return 0
            if options.grid is None:
                raise ConfigError("say which --grid, --report or --footprints")
            return run_jobs(given, options.jobs) if options.jobs > 1 and not options.list else run_grid(options)
    except KeyboardInterrupt:
        print("the time is over" if limit.reached else "interrupted", "- the next call goes on", file=sys.stderr)
        return 0 if limit.reached else INTERRUPTED
    except RdpassError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def report() -> int:
    """Write the pages of docs/evidence/ and their plots anew from the results."""
    for page in write_pages(DOCS, RESULTS):
        print(page)
    return 0


def run_grid(options: argparse.Namespace) -> int:
    """Make or list what is left; the exit code of the first run that could not be made."""
    torch.set_num_threads(1)  # processes side by side use cores better than threads on such small maps
    torch.backends.cudnn.benchmark = True  # every batch has the same shape
    results = options.results or RESULTS / f"{options.grid}.jsonl"
    machine = Machine(chosen_device(options.device), options.amp, options.work, options.data_root)
    runs = chosen_runs(options)
    if options.list:
        for line in planned(missing(runs, results), read_records(results), machine, options.jobs, options.seconds):
            print(line)
        return 0
    work = Work(runs, results, machine)
    for record in work:
        print(json.dumps(record) if options.json else told(record), flush=True)
    return next((error.exit_code for error in work.failed.values()), 0)


def chosen_device(name: str) -> str:
    """
    Raises:
        ConfigError: CUDA is asked for, and there is none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch finds no GPU here; --device cpu, or a torch built for CUDA")
    return name


def chosen_runs(options: argparse.Namespace) -> list[Run]:
    """
    Raises:
        ConfigError: no run has such a net and arm, or the grid has no arm of a name.
    """
    size = SIZES[options.size]
    size = size.on(options.data or size.protocol.data)
    whole = list(runs_of(GRIDS[options.grid], size, options.seeds, options.amp))
    if unknown := set(options.arms) - {run.cell.arm.name for run in whole}:
        raise ConfigError(f"grid {options.grid} has no arm {', '.join(sorted(unknown))}; --list shows them all")
    runs = [
        run
        for run in whole
        if (not options.arms or run.cell.arm.name in options.arms)
        and options.epochs in (None, run.cell.protocol.epochs)
        and (not options.nets or any(name in run.cell.net.name for name in options.nets))
    ]
    if not runs:
        raise ConfigError(f"grid {options.grid} has no run of those --nets, --arms and --epochs; --list shows them all")
    return runs


def told(record: dict[str, object]) -> str:
    below = f", {record['gap']} below its teacher's {record['teacher_accuracy']} %" if "gap" in record else ""
    return (
        f"{record['net']} seed {record['seed']}: {record['arm']}: {record['accuracy']} %{below}, {record['seconds']} s"
    )
