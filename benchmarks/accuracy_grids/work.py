"""One run after another until nothing is left: who makes which, and what is written down."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

import rdpass
from benchmarks.accuracy_grids.bench import Bench, Machine
from benchmarks.accuracy_grids.claims import claim
from benchmarks.accuracy_grids.grid import Run
from benchmarks.accuracy_grids.records import Record, add_record, read_records
from benchmarks.accuracy_grids.sources import pictures_for
from benchmarks.accuracy_grids.teachers import load_teacher, teacher_path, train_teacher

WAIT = 1.0  # seconds before looking again at what another process is busy with


def work(runs: Sequence[Run], results: Path, machine: Machine, until: float = float("inf")) -> Iterator[Record]:
    """Make what is not recorded yet, and give each new record; what other processes hold is left to them.

    ``until``: no run or teacher is begun after that (``time.monotonic``).
    """
    while pending := missing(runs, results):
        idle = True
        for run in pending:
            if time.monotonic() >= until:
                return
            with claim(machine.folder / "claims", f"{run.grid}-{run.identity}") as ours:
                if not ours or not missing([run], results):
                    continue
                record = _known_elsewhere(run, results)
                if record is None:
                    if not _teacher_ready(run, machine):
                        continue
                    if time.monotonic() >= until:
                        return
                    record = make(run, machine)
                add_record(results, record)
                idle = False
                yield record
        if idle and missing(runs, results):
            time.sleep(WAIT)


def missing(runs: Sequence[Run], results: Path) -> list[Run]:
    """Those that have no line yet."""
    done = {record["id"] for record in read_records(results)}
    return [run for run in runs if run.identity not in done]


def make(run: Run, machine: Machine) -> Record:
    """Train and measure one run whose teacher is there."""
    net, protocol, arm = run.cell.net, run.cell.protocol, run.cell.arm
    print(run.title, file=sys.stderr, flush=True)
    pictures = pictures_for(protocol, run.seed, machine.device)
    teacher, scores, teacher_seconds = load_teacher(net, protocol, run.seed, pictures, machine)
    folder = machine.folder / "runs" / run.identity
    bench = Bench(net, protocol, run.seed, pictures, teacher, scores, machine, folder)
    started, cpu = time.monotonic(), time.process_time()
    result = arm.run(bench)
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu
    teacher_cost = rdpass.inspect(teacher, pictures.example).forecast.model
    return {
        "grid": run.grid, "size": run.size, "id": run.identity, "recipe": arm.recipe, "arm": arm.name,
        "settings": dict(arm.settings), "form": result.form,
        "net": net.name, "block": net.block, "depth": net.depth, "width": net.width, "seed": run.seed,
        "accuracy": result.scores.test, "validation": result.scores.validation,
        "teacher_accuracy": scores.test, "teacher_validation": scores.validation,
        "gap": round(scores.test - result.scores.test, 2),
        **asdict(protocol), "amp": run.amp, "steps": result.steps,
        "macs": result.macs, "peak_bytes": result.peak_bytes, "separate_bytes": result.separate_bytes,
        "teacher_macs": teacher_cost.macs, "teacher_peak_bytes": teacher_cost.fused.peak_bytes,
        "teacher_separate_bytes": teacher_cost.separate.peak_bytes, **result.facts,
        "device": machine.name, "seconds": round(seconds, 1), "cpu_seconds": round(cpu_seconds, 1),
        "teacher_seconds": teacher_seconds, "versions": versions(),
    }  # fmt: skip


def versions() -> dict[str, str]:
    return {"rdpass": rdpass.__version__, "torch": torch.__version__, "python": platform.python_version()}


def _teacher_ready(run: Run, machine: Machine) -> bool:
    """Whether the run's teacher is there, trained now if nobody else is at it."""
    net, protocol = run.cell.net, run.cell.protocol
    path = teacher_path(net, protocol, run.seed, machine)
    if path.exists():
        return True
    with claim(machine.folder / "claims", path.stem) as ours:
        if ours and not path.exists():
            print(f"teacher {net.name} seed {run.seed}", file=sys.stderr, flush=True)
            train_teacher(net, protocol, run.seed, pictures_for(protocol, run.seed, machine.device), machine)
    return path.exists()


def _known_elsewhere(run: Run, results: Path) -> Record | None:
    """The same run's line of another grid, beside ``results``, under this grid's names."""
    for path in sorted(results.parent.glob("*.jsonl")):
        for record in read_records(path):
            if record["id"] == run.identity and "grid" in record:
                return {**record, "grid": run.grid, "size": run.size, "arm": run.cell.arm.name}
    return None
