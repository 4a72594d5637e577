"""One run made: the teacher first, then the arm, then everything about it that a table could ask for."""

from __future__ import annotations

import platform
import sys
import time
from dataclasses import asdict

import torch

import rdpass
from benchmarks.research.arms.bench import Bench, Machine
from benchmarks.research.arms.footprint import footprint_of
from benchmarks.research.claims import claim
from benchmarks.research.grids.grid import Run
from benchmarks.research.images.batches import ImageSet
from benchmarks.research.images.sources import images_for
from benchmarks.research.runs.records import Record
from benchmarks.research.runs.teachers import load_teacher, teacher_path, train_teacher


def make(run: Run, machine: Machine) -> Record:
    """Train and measure one run whose teacher is there."""
    net, protocol, arm = run.cell.net, run.cell.protocol, run.cell.arm
    print(run.title, file=sys.stderr, flush=True)
    image_set = _images(run, machine)
    teacher, scores, teacher_seconds = load_teacher(net, protocol, run.seed, image_set, machine)
    bench = Bench(net, protocol, run.seed, image_set, teacher, scores, machine)
    started, cpu = time.monotonic(), time.process_time()
    result = arm.run(bench)
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu
    residual = footprint_of(teacher, image_set.example)
    return {
        "grid": run.grid, "size": run.size, "id": run.identity, "recipe": arm.recipe, "arm": arm.name,
        "settings": dict(arm.settings), "form": result.form,
        "net": net.name, "block": net.block, "depth": net.depth, "width": net.width, "seed": run.seed,
        "accuracy": result.scores.test, "validation": result.scores.validation,
        "teacher_accuracy": scores.test, "teacher_validation": scores.validation,
        **({"gap": round(scores.test - result.scores.test, 2)} if result.same_task else {}),
        **protocol.told(), "amp": run.amp, "steps": result.steps,
        **asdict(result.footprint), **{f"teacher_{key}": value for key, value in asdict(residual).items()},
        **result.facts,
        "device": machine.name, "processor": machine.processor,
        "seconds": round(seconds, 1), "cpu_seconds": round(cpu_seconds, 1),
        "teacher_seconds": teacher_seconds, "versions": versions(),
    }  # fmt: skip


def versions() -> dict[str, str]:
    return {"rdpass": rdpass.__version__, "torch": torch.__version__, "python": platform.python_version()}


def has_teacher(run: Run, machine: Machine) -> bool:
    """Whether the run's teacher is there, trained now if nobody else is at it."""
    net, protocol = run.cell.net, run.cell.protocol
    path = teacher_path(net, protocol, run.seed, machine)
    if path.exists():
        return True
    with claim(machine.folder / "claims", path.stem) as ours:
        if ours and not path.exists():
            print(f"teacher {net.name} seed {run.seed}", file=sys.stderr, flush=True)
            train_teacher(net, protocol, run.seed, _images(run, machine), machine)
    return path.exists()


def _images(run: Run, machine: Machine) -> ImageSet:
    return images_for(run.cell.protocol, run.seed, machine.device, machine.data_root)
