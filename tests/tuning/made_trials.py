"""Tasks, trials and records of two workloads for the Raspberry Pi 4, without anything built."""

from __future__ import annotations

from rdpass.database.record import Record
from rdpass.kernels.machine import machine_of
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.passes.lowering.match.find_workloads import Occurrence
from rdpass.targets.lookup import find_target
from rdpass.tuning.job import Timing
from rdpass.tuning.outcome import Rejected, record_of
from rdpass.tuning.task import Task, Trial, make_tasks

RPI4 = find_target("rpi4")
MACHINE = machine_of(RPI4)
LARGE = Convolution(1, 32, 32, 28, 28, (3, 3), padding=(1, 1, 1, 1), epilogue=Epilogue("relu"))
SMALL = Convolution(1, 16, 16, 12, 12, (1, 1))


def tasks(*records: Record) -> tuple[Task, ...]:
    """Of ``LARGE``, which occurs twice, and ``SMALL``."""
    return make_tasks([Occurrence(LARGE, (), 2), Occurrence(SMALL, (), 1)], MACHINE, records)


def trial(number: int = 0, task: int = 0) -> Trial:
    """The ``number``th tile, the default left out."""
    chosen = tasks()[task]
    return Trial(chosen.occurrence, chosen.ranked[number].tile, 3)


def timing(ratio: float, spread: float = 0.1, error: float = 0.0) -> Timing:
    return Timing(1e-3 * ratio, 1e-3, 9, spread, error)


def record(number: int = 0, ratio: float | None = 0.5, task: int = 0, spread: float = 0.1) -> Record:
    """What became of that tile: its time over the default's, or that it can't be used."""
    outcome = Rejected("it crashed") if ratio is None else timing(ratio, spread)
    made = record_of(trial(number, task), outcome, RPI4, "host")
    assert isinstance(made, Record)
    return made
