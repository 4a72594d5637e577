"""The command line of the grids."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.accuracy_grids.bench import Machine
from benchmarks.accuracy_grids.grid import Run, runs_of
from benchmarks.accuracy_grids.grids import GRIDS
from benchmarks.accuracy_grids.protocols import SIZES
from benchmarks.accuracy_grids.work import missing, work
from rdpass.errors import ConfigError, RdpassError

RESULTS = Path(__file__).parent.parent / "results"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="accuracy.py", description="Grids of accuracy experiments.")
    made.add_argument("--grid", choices=GRIDS)
    made.add_argument("--size", choices=SIZES, default="reduced")
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    made.add_argument("--nets", nargs="+", default=[], help="only nets whose names hold one of these")
    made.add_argument("--arms", nargs="+", default=[], help="only arms of these names")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    made.add_argument("--amp", action="store_true", help="bfloat16 forward passes")
    made.add_argument("--seconds", type=float, default=float("inf"), help="begin nothing after so long")
    made.add_argument("--results", type=Path, help="default: benchmarks/results/GRID.jsonl")
    made.add_argument("--work", type=Path, default=Path("accuracy-out"), help="teachers, unfinished runs, claims")
    made.add_argument("--json", action="store_true", help="a line for each run made, on stdout")
    made.add_argument("--list", action="store_true", help="what is there to run; runs nothing")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        if options.grid is None:
            raise ConfigError("say which --grid")
        return _grid(options)
    except RdpassError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _grid(options: argparse.Namespace) -> int:
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    results = options.results or RESULTS / f"{options.grid}.jsonl"
    runs = chosen(options)
    if options.list:
        for run in missing(runs, results):
            print(run.title)
        return 0
    machine = Machine(device, options.amp, options.work)
    for record in work(runs, results, machine, time.monotonic() + options.seconds):
        print(json.dumps(record) if options.json else f"{record['arm']}: {record['gap']}", flush=True)
    return 0


def chosen(options: argparse.Namespace) -> list[Run]:
    runs = runs_of(GRIDS[options.grid], SIZES[options.size], options.seeds, options.amp)
    return [
        run
        for run in runs
        if (not options.arms or run.cell.arm.name in options.arms)
        and (not options.nets or any(name in run.cell.net.name for name in options.nets))
    ]
