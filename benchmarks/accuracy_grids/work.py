"""One run after another until nothing is left: who makes which, and what is written down."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

import rdpass
from benchmarks.accuracy_grids.bench import Bench, Machine
from benchmarks.accuracy_grids.claims import claim
from benchmarks.accuracy_grids.footprint import footprint_of
from benchmarks.accuracy_grids.grid import Run
from benchmarks.accuracy_grids.records import Record, add_record, read_records
from benchmarks.accuracy_grids.sources import pictures_for
from benchmarks.accuracy_grids.teachers import load_teacher, teacher_path, train_teacher
from rdpass.errors import RdpassError

WAIT = 1.0  # seconds before looking again at what another process is busy with


@dataclass
class Work:
    """The runs of a grid in their order, what is recorded of them, and where they are made.

    ``failed``: what went wrong with which run; those are left alone by this process from then on.
    """

    runs: Sequence[Run]
    results: Path
    machine: Machine
    failed: dict[str, RdpassError] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Record]:
        """Make what is not recorded yet, giving each new record; what other processes hold is left to them."""
        while pending := self.pending():
            made = 0
            for run in pending:
                with claim(self.machine.folder / "claims", f"{run.grid}-{run.identity}") as ours:
                    if ours and missing([run], self.results) and (record := self._record(run)):
                        add_record(self.results, record)
                        made += 1
                        yield record
            if not made and self.pending():
                time.sleep(WAIT)

    def pending(self) -> list[Run]:
        return [run for run in missing(self.runs, self.results) if run.identity not in self.failed]

    def _record(self, run: Run) -> Record | None:
        """None where the run has to wait for a teacher that another process trains, or can't be made."""
        known = _known_elsewhere(run, self.results)
        try:
            return known or (make(run, self.machine) if _teacher_ready(run, self.machine) else None)
        except RdpassError as error:
            print(f"{run.title}: {error}", file=sys.stderr, flush=True)
            self.failed[run.identity] = error
            return None


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
    bench = Bench(net, protocol, run.seed, pictures, teacher, scores, machine)
    started, cpu = time.monotonic(), time.process_time()
    result = arm.run(bench)
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu
    residual = footprint_of(teacher, pictures.example)
    return {
        "grid": run.grid, "size": run.size, "id": run.identity, "recipe": arm.recipe, "arm": arm.name,
        "settings": dict(arm.settings), "form": result.form,
        "net": net.name, "block": net.block, "depth": net.depth, "width": net.width, "seed": run.seed,
        "accuracy": result.scores.test, "validation": result.scores.validation,
        "teacher_accuracy": scores.test, "teacher_validation": scores.validation,
        "gap": round(scores.test - result.scores.test, 2),
        **asdict(protocol), "amp": run.amp, "steps": result.steps,
        **asdict(result.footprint), **{f"teacher_{key}": value for key, value in asdict(residual).items()},
        **result.facts,
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
