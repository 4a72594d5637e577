"""Choose the tile to try next.

1. Every workload is tried once, those that take longest first.
2. After that the one is next whose share of the network's time is largest for the trials it has had: time, of its best
   tile so far and in all its places, over trials.
3. Of its tiles, the best-looking ones come first (``kernels.choice``), until there is enough to learn from. Then three
   of four are those that the cost model expects most of, and each fourth is the next best-looking.
4. When no trial is left, the winners are timed again with more rounds, for the fastest of many is a lucky one too. A
   winner that does not stand this makes room for the next.
"""

from __future__ import annotations

from collections.abc import Sequence

from rdpass.database.record import Record
from rdpass.kernels.template import Tile
from rdpass.tuning.cost_model import predict_ratios
from rdpass.tuning.task import Task, Trial

ENOUGH = 12
"""Trials of a workload that the cost model learns from at least."""

ROUNDS, MORE_ROUNDS = 3, 10
SURE = 30
"""Timed calls that make a winner sure: a trial of ``ROUNDS`` has fewer, one of ``MORE_ROUNDS`` at least so many."""

_FAILED = 4.0  # what the model is told of a tile that can't be used, as a ratio


class Search:
    """Hands out trials for ``tasks`` until ``trials`` have been made of them, those of earlier runs counted.

    ``confirms``: whether winners are timed again.
    """

    def __init__(self, tasks: Sequence[Task], trials: int, clock_ghz: float, confirms: bool) -> None:
        self.tasks, self.trials, self._clock = tasks, trials, clock_ghz
        self._confirms, self._stopped = confirms, False
        self._pending: list[Trial] = []
        self._confirmed: set[tuple[int, Tile]] = set()

    @property
    def done(self) -> int:
        """Trials made, in this run and before."""
        return sum(len(task.tried) for task in self.tasks)

    def stop(self) -> None:
        """Look for nothing new: only winners are left to confirm."""
        self._stopped = True

    def next(self) -> Trial | None:
        """The next trial; None while, or because, there is none."""
        trial = self._explore() or self._confirm()
        if trial is not None:
            self._pending.append(trial)
        return trial

    def finish(self, trial: Trial, record: Record | None) -> None:
        """Take in what came of a trial: None where nothing is known of the tile. It is not tried again in this run."""
        self._pending.remove(trial)
        if record is not None:
            self._task(trial).records.append(record)

    def _task(self, trial: Trial) -> Task:
        return next(task for task in self.tasks if task.occurrence is trial.occurrence)

    def _explore(self) -> Trial | None:
        exploring = sum(trial.rounds == ROUNDS for trial in self._pending)
        if self._stopped or self.done + exploring >= self.trials:
            return None
        open_tasks = [task for task in self.tasks if task.left]
        if not open_tasks:
            return None
        task = max(open_tasks, key=self._urgency)
        tile = self._pick(task)
        task.out.add(tile)
        return Trial(task.occurrence, tile, ROUNDS)

    def _urgency(self, task: Task) -> tuple[bool, float]:
        tried = len(task.tried | task.out)
        ratio = 1.0 if task.best is None else task.best.ratio or 1.0
        return not tried, task.seconds(self._clock) * ratio / (tried + 1)

    def _pick(self, task: Task) -> Tile:
        left = task.left
        known = {ranked.tile: ranked for ranked in task.ranked}
        tried = [(known[r.tile], _FAILED if r.ratio is None else r.ratio) for r in task.records if r.tile in known]
        if len(tried) < ENOUGH or len(tried) % 4 == 0:
            return left[0].tile
        return left[int(predict_ratios(tried, left).argmin())].tile

    def _confirm(self) -> Trial | None:
        if not self._confirms or any(trial.rounds == ROUNDS for trial in self._pending):
            return None
        for index, task in enumerate(self.tasks):
            best = task.best
            if best is not None and best.repeats < SURE and (index, best.tile) not in self._confirmed:
                self._confirmed.add((index, best.tile))
                return Trial(task.occurrence, best.tile, MORE_ROUNDS)
        return None
