"""Tuning tasks of a network, and which of their tiles have been tried."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import tvm

from rdpass.core.numeric_types import SINGLE, Precision
from rdpass.core.optimization import SPEED, Optimize
from rdpass.database.best import settled
from rdpass.database.record import Record, Selection
from rdpass.deploy.lowering import network_of, workloads_of
from rdpass.kernels.choice import Ranked, rank_tiles
from rdpass.kernels.machine import Machine
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload
from rdpass.onnx.source import OnnxSource
from rdpass.passes.lowering.match.find_workloads import Occurrence
from rdpass.targets.lookup import Target


@dataclass(frozen=True)
class Trial:
    """A tile to be timed beside its workload's default, ``rounds`` times in turn."""

    occurrence: Occurrence
    tile: Tile
    rounds: int

    @property
    def workload(self) -> Workload:
        return self.occurrence.workload


@dataclass(frozen=True, eq=False)
class Network:
    """A network that is tuned: a model, imported as it computes on the target, its workloads there, and what its
    kernels are chosen for."""

    source: OnnxSource
    module: tvm.IRModule
    workloads: tuple[Occurrence, ...]
    precision: Precision = SINGLE
    optimize: Optimize = SPEED


@dataclass(frozen=True, eq=False)
class NetworkTrial:
    """A whole network to be timed with some tuned tiles beside itself with none, ``rounds`` times in turn."""

    network: Network
    tiles: Selection
    rounds: int


@dataclass
class Task:
    """A workload with all its tiles, best-looking first and the default left out, and the records so far.

    ``out``: tiles that are being tried or could not be, in this run.
    """

    occurrence: Occurrence
    default: Ranked
    ranked: tuple[Ranked, ...]
    records: list[Record] = field(default_factory=list)
    out: set[Tile] = field(default_factory=set)

    @property
    def workload(self) -> Workload:
        return self.occurrence.workload

    @property
    def tried(self) -> set[Tile]:
        return {record.tile for record in self.records}

    @property
    def left(self) -> list[Ranked]:
        """Tiles that have not been tried, in order."""
        gone = self.tried | self.out
        return [ranked for ranked in self.ranked if ranked.tile not in gone]

    @property
    def best(self) -> Record | None:
        """The record of the fastest tile, if that is faster than the default."""
        faster = [record for record in settled(self.records).values() if (record.ratio or 1.0) < 1.0]
        return min(faster, key=lambda record: (record.ratio or 0.0, repr(record.tile)), default=None)

    def seconds(self, clock_ghz: float) -> float:
        """The default's time in one inference: as it was found, or what its estimated cycles say."""
        known = [record.default_seconds for record in self.records if record.default_seconds is not None]
        single = sorted(known)[len(known) // 2] if known else self.default.cycles / (clock_ghz or 1.0) / 1e9
        return single * self.occurrence.calls


def read_network(
    source: OnnxSource, target: Target, precision: Precision = SINGLE, optimize: Optimize = SPEED
) -> Network:
    """
    Raises:
        ConfigError: TVM can't import the model.
    """
    module = network_of(source, target, precision)
    return Network(source, module, workloads_of(module, target, optimize), precision, optimize)


def make_tasks(occurrences: Iterable[Occurrence], machine: Machine, records: Iterable[Record]) -> tuple[Task, ...]:
    """A task for every workload that has another tile than its default; ``records`` are sorted in."""
    by_work: dict[Workload, list[Record]] = {}
    for record in records:
        by_work.setdefault(record.workload, []).append(record)
    tasks = []
    for occurrence in occurrences:
        default, *others = rank_tiles(occurrence.workload, machine)
        if others:
            tasks.append(Task(occurrence, default, tuple(others), by_work.get(occurrence.workload, [])))
    return tuple(tasks)
