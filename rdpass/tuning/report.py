"""Results of tuning, for people and machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rdpass.core.optimization import SPEED, Optimize
from rdpass.database.best import Best, best_tiles
from rdpass.database.choice import Verdict
from rdpass.database.record import Method
from rdpass.kernels.choice import label
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload
from rdpass.targets.lookup import Target
from rdpass.tuning.task import Task


@dataclass(frozen=True)
class TunedWorkload:
    """A workload, in how many places of the network it occurs, and the best tile found for it.

    ``seconds`` and ``default_seconds`` of one call; both None where nothing was measured.
    """

    workload: Workload
    calls: int
    tile: Tile
    default: Tile
    seconds: float | None
    default_seconds: float | None
    trials: int
    failed: int

    @property
    def template(self) -> str:
        return label(self.tile)


@dataclass(frozen=True)
class Tuning:
    """Tiles of a database for a network on a target, as ``tune`` returns them.

    Args:
        target: its name.
        method: how times were found: "host", "rpc" (a board) or "mca" (an estimate).
        workloads: the network's distinct workloads, with the best tile of each and seconds per call.
        trials: tiles tried in all.
        fresh: records that this run added.
        estimated: whether any time is an estimate.
        network: whether the whole network is built with the tiles, and why.
        optimize: what default tiles were chosen for: "speed", "balanced" or "size".

    Example:
        >>> import rdpass
        >>> tuning = rdpass.tune("student.onnx", database="tuned", trials=1, show_progress=False)
        >>> tuning.target, tuning.method, tuning.trials, tuning.estimated
        ('host', 'host', 1, False)
    """

    target: str
    method: Method
    workloads: tuple[TunedWorkload, ...]
    trials: int
    fresh: int
    estimated: bool
    network: Verdict
    optimize: Optimize = SPEED

    @property
    def seconds(self) -> float:
        """Time of all calls of one inference, with the best tiles. Workloads that were not tried are left out."""
        return sum(w.calls * w.seconds for w in self.workloads if w.seconds is not None)

    @property
    def default_seconds(self) -> float:
        """Time of the same calls, untuned."""
        return sum(w.calls * w.default_seconds for w in self.workloads if w.default_seconds is not None)


def summarise(
    tasks: Sequence[Task], target: Target, method: Method, fresh: int, network: Verdict, optimize: Optimize = SPEED
) -> Tuning:
    """Measurements come before estimates, here as in ``compile``."""
    best = best_tiles((record for task in tasks for record in task.records), target, optimize)
    rows = tuple(_row(task, best.get(task.workload)) for task in tasks)
    used = [found for found in best.values() if found.ratio < 1.0]
    estimated = any(found.is_estimate for found in used)
    return Tuning(target.name, method, rows, _trials(tasks), fresh, estimated, network, optimize)


def _row(task: Task, best: Best | None) -> TunedWorkload:
    return TunedWorkload(
        workload=task.workload,
        calls=task.occurrence.calls,
        tile=task.default.tile if best is None else best.tile,
        default=task.default.tile,
        seconds=None if best is None else best.seconds,
        default_seconds=None if best is None else best.default_seconds,
        trials=len(task.tried),
        failed=sum(record.failure is not None for record in task.records),
    )


def _trials(tasks: Iterable[Task]) -> int:
    return sum(len(task.tried) for task in tasks)
