"""How long runs take, estimated before they are made, from what runs like them took.

A run's work is counted in passes of its network over one image, a backward pass as two. On a processor time goes with
the multiply-accumulates of those passes; on a GPU small networks wait for kernels to be launched, so it goes with
layers and steps instead. The factor is the median over recorded runs on the same device that began and ended in one go;
without any, an assumption.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.research.grids.grid import Run
from benchmarks.research.networks import Net
from benchmarks.research.runs.records import Record

# Seconds per unit of work where nothing is recorded: guesses, so that a first plan has the right order.
ASSUMED = {"cpu": 4e-11, "cuda": 4e-5}
DATA = {
    "basic": 0.086,
    "bottleneck": 0.115,
    "inverted": 0.14,
}  # millions of MACs per pixel and block at width 8, all three stages


@dataclass(frozen=True)
class Estimate:
    """``seconds`` of the run, and of its teacher beside it; ``measured`` where the factor comes from records."""

    seconds: float
    teacher_seconds: float
    measured: bool


def estimate(run: Run, device: str, records: Iterable[Record]) -> Estimate:
    """On ``device`` ("cpu", or a GPU's name as records give it)."""
    kind = "cpu" if device == "cpu" else "cuda"
    known = [record for record in records
             if record["device"] == device and record["steps"] and record.get("whole", True)]  # fmt: skip
    rates = [record["seconds"] / work_of(record, kind) for record in known]
    rate = statistics.median(rates) if rates else ASSUMED[kind]
    told = told_of(run)
    steps = run.cell.protocol.images // run.cell.protocol.batch * run.cell.protocol.teacher_epochs
    teacher = {**told, "recipe": "plain", "settings": {}, "steps": steps}
    return Estimate(rate * work_of(told, kind), rate * work_of(teacher, kind), bool(rates))


def told_of(run: Run) -> Record:
    """What a record of the run would tell, as far as it is known beforehand."""
    net, protocol, arm = run.cell.net, run.cell.protocol, run.cell.arm
    return {
        "recipe": arm.recipe, "settings": arm.settings, "depth": net.depth, "batch": protocol.batch,
        "teacher_macs": macs_of(net, protocol.pixels), "steps": protocol.images // protocol.batch * protocol.epochs,
    }  # fmt: skip


def macs_of(net: Net, pixels: int) -> float:
    """Roughly."""
    return 1e6 * DATA.get(net.block, 0.1) / 14**2 * pixels**2 * net.blocks * (net.width / 8) ** 2 * 8.5


def work_of(record: Record, kind: str) -> float:
    """Units of work, larger than 0."""
    size = record["batch"] * record["teacher_macs"] if kind == "cpu" else record["depth"]
    return float(max(1, record["steps"]) * passes(record["recipe"], record["settings"]) * size)


def passes(recipe: str, settings: Record) -> float:
    """Forward passes of one network that a step is worth; 3 for one that learns, 1 for one that is looked at."""
    if recipe in ("carry", "int8", "transfer"):
        return 0.2
    mixed = settings.get("paths", {}).get("mixed", recipe in ("migrate", "anneal", "joint"))
    own = {"plain": 3.0, "joint": 3.0, "migrate": 5.5, "early-exit": 4.2}.get(recipe, 4.0)
    return own + (3.0 if mixed else 0.0)
