"""State that the steps of a tuning run share: who measures, where records go, and whether to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rdpass.core.interruption import Interrupted, Interruption
from rdpass.core.optimization import SPEED, Optimize
from rdpass.core.progress import Progress
from rdpass.database.folder import add_records
from rdpass.database.record import NetworkRecord, Record
from rdpass.targets.lookup import Target
from rdpass.tuning.job import Timing
from rdpass.tuning.outcome import Measurer, Outcome, Rejected, T, Unknown, record_of
from rdpass.tuning.task import NetworkTrial, Trial


@dataclass
class Session:
    """``optimize``: what default tiles are chosen for. ``added``: records that this run wrote."""

    measurer: Measurer
    target: Target
    folder: Path
    shown: Progress
    interruption: Interruption
    optimize: Optimize = SPEED
    added: int = 0

    def measure(self, take: Callable[[], T | None]) -> Iterator[tuple[T, Outcome, Record | NetworkRecord | None]]:
        """Measure every trial that ``take`` gives, and yield its outcome once it is recorded; None: nothing was learnt.

        Raises:
            Interrupted: a signal came; nothing is half done.
            TargetError, DeviceError: nothing can be measured any more.
        """
        self._check()
        for trial, outcome in self.measurer.measure(take, self._check):
            yield trial, outcome, None if isinstance(outcome, Unknown) else self._keep(trial, outcome)
            self._check()

    def _keep(self, trial: Trial | NetworkTrial, outcome: Timing | Rejected) -> Record | NetworkRecord:
        record = record_of(trial, outcome, self.target, self.measurer.method, self.optimize)
        add_records(self.folder, [record])
        self.added += 1
        return record

    def _check(self) -> None:
        if self.interruption.pending:
            raise Interrupted(self.interruption.pending)
