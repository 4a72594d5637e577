"""Outcomes of trials, and how they become records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from rdpass.core.optimization import SPEED, Optimize
from rdpass.database.keys import code_key, network_key, target_key
from rdpass.database.record import Method, NetworkRecord, Record
from rdpass.deploy.precision import TOLERANCES
from rdpass.targets.lookup import Target
from rdpass.tuning.job import Timing
from rdpass.tuning.references import tolerance_of
from rdpass.tuning.task import NetworkTrial, Trial

T = TypeVar("T", Trial, NetworkTrial)


@dataclass(frozen=True)
class Rejected:
    """It can't be used, whoever tries it."""

    reason: str


@dataclass(frozen=True)
class Unknown:
    """Nothing was learnt: a board failed, or this host was too slow."""

    reason: str


Outcome = Timing | Rejected | Unknown


class Measurer(Protocol):
    """Finds out how long tiles, and networks, take."""

    method: Method

    def measure(self, take: Callable[[], T | None], check: Callable[[], None]) -> Iterator[tuple[T, Outcome]]:
        """Measure each trial that ``take`` gives; None: none for now.

        Where nothing is half done ``check`` is called, and raises if there was an interruption.

        Raises:
            DeviceError: nothing can be measured any more.
        """
        ...


def judged(timing: Timing, allowed: float) -> Outcome:
    """The timing, unless its error is larger: then something else is computed than is to be."""
    if timing.error <= allowed:
        return timing
    return Rejected(f"its numbers differ from those expected by {timing.error:.2g}, tolerance {allowed:g}")


def allowed_error(trial: Trial | NetworkTrial) -> float:
    """Largest relative error of the output of a tile, or of a whole network."""
    return tolerance_of(trial.workload) if isinstance(trial, Trial) else TOLERANCES[trial.network.precision]


def record_of(
    trial: Trial | NetworkTrial, outcome: Timing | Rejected, target: Target, method: Method,
    optimize: Optimize = SPEED,
) -> Record | NetworkRecord:  # fmt: skip
    """The record of an outcome for the database; ``optimize``: what the default beside it was chosen for."""
    name = target.name if optimize == SPEED else f"{target.name} {optimize}"
    known: dict[str, Any] = {
        "target": target_key(target, optimize), "target_name": name, "code": code_key(), "method": method,
        **_result(outcome),
    }  # fmt: skip
    match trial:
        case Trial():
            return Record(**known, workload=trial.workload, tile=trial.tile)
        case NetworkTrial():
            return NetworkRecord(**known, network=network_key(trial.network.workloads), tiles=trial.tiles)


def _result(outcome: Timing | Rejected) -> dict[str, Any]:
    if isinstance(outcome, Rejected):
        return {"seconds": None, "default_seconds": None, "failure": outcome.reason}
    return {name: getattr(outcome, name) for name in ("seconds", "default_seconds", "repeats", "spread")}
