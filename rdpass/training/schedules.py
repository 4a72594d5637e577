"""Schedules of a training: how far each shortcut has faded, and the weight of a mixed path."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rdpass.training.options import PathOptions, StudentOptions


@dataclass(frozen=True)
class FadeSchedule:
    """u per shortcut from the progress of the training: 0 at the start, 1 from its fraction of the training on.

    Together, or one after another, each in an equal share of the time. ``fades``: the fractions by the names of the
    adds, in graph order.
    """

    fades: Mapping[str, float]
    options: StudentOptions

    @property
    def end(self) -> float:
        """The fraction of the training after which none is left."""
        return max(self.fades.values())

    def faded(self, progress: float) -> dict[str, float]:
        return {
            name: self._shaped(self._share(min(1.0, progress / fade), rank, len(self.fades)))
            for rank, (name, fade) in enumerate(self.fades.items())
        }

    def _share(self, passed: float, rank: int, count: int) -> float:
        if self.options.order == "together":
            return passed
        turn = rank if self.options.order == "input_first" else count - 1 - rank
        # Exactly 1 at the end, whatever the rounding: a shortcut that has not quite faded would not fold.
        return 1.0 if passed >= 1 else min(1.0, max(0.0, passed * count - turn))

    def _shaped(self, share: float) -> float:
        if self.options.shape == "cosine" and 0 < share < 1:
            return 0.5 * (1 - math.cos(math.pi * share))
        return share


def mixed_weight(progress: float, options: PathOptions) -> float:
    """JointRD's m(e) = dc + (1 - dc)(1 + cos(pi e / E)) / 2 up to E, then dc."""
    if progress >= options.span:
        return options.floor
    return options.floor + (1 - options.floor) * 0.5 * (1 + math.cos(math.pi * progress / options.span))
