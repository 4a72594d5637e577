"""What came of a trial, and how it becomes a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from rdpass.database.keys import code_key, target_key
from rdpass.database.record import Method, Record
from rdpass.targets.lookup import ArmTarget
from rdpass.tuning.job import Timing
from rdpass.tuning.task import Trial

TOLERANCE = 1e-4
"""Largest relative error of a tile's output against the default's."""


@dataclass(frozen=True)
class Rejected:
    """The tile can't be used, whoever tries it."""

    reason: str


@dataclass(frozen=True)
class Unknown:
    """Nothing was learnt of the tile: a board failed, or this host was too slow."""

    reason: str


Outcome = Timing | Rejected | Unknown


class Measurer(Protocol):
    """Finds out how long tiles take."""

    method: Method

    def measure(self, take: Callable[[], Trial | None], check: Callable[[], None]) -> Iterator[tuple[Trial, Outcome]]:
        """What came of each trial that ``take`` gives; None: none for now.

        Where nothing is half done ``check`` is called, and raises if there was an interruption.

        Raises:
            DeviceError: nothing can be measured any more.
        """
        ...


def judged(timing: Timing) -> Outcome:
    """The timing, unless the tile computes something else than the default."""
    if timing.error <= TOLERANCE:
        return timing
    return Rejected(f"its numbers differ from the default tile's by {timing.error:.2g}, tolerance {TOLERANCE:g}")


def record_of(trial: Trial, outcome: Timing | Rejected, target: ArmTarget, method: Method) -> Record:
    """What the database is told."""
    known = target_key(target), target.name, code_key(), trial.workload, trial.tile, method
    if isinstance(outcome, Rejected):
        return Record(*known, seconds=None, default_seconds=None, failure=outcome.reason)
    return Record(*known, outcome.seconds, outcome.default_seconds, outcome.repeats, outcome.spread)
