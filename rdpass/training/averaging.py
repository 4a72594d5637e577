"""The exponential moving average of a student's weights: what is validated and exported where it was asked for.

    average <- d average + (1 - d) weights,    d = min(decay, (1 + n) / (10 + n)) after n steps

The second bound lets the average of a short training forget where it began. Batch norms' statistics are averaged as the
weights are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """The average of one student's weights; the student itself holds what is trained."""

    def __init__(self, student: nn.Module, decay: float) -> None:
        norms = [module for module in student.modules() if isinstance(module, _BatchNorm)]
        statistics = [each for norm in norms for each in (norm.running_mean, norm.running_var) if each is not None]
        self._weights = [*(p for p in student.parameters() if p.requires_grad), *statistics]
        self._average = [weight.detach().clone() for weight in self._weights]
        self._before: list[Tensor] | None = None  # what the student holds when the average is not in its place
        self._decay = decay

    def update(self, steps: int) -> None:
        """Take up the weights after ``steps`` steps."""
        decay = min(self._decay, (1 + steps) / (10 + steps))
        get_ema_multi_avg_fn(decay)(self._average, [weight.detach() for weight in self._weights], steps)  # type: ignore[no-untyped-call]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The student holds the average while the block runs, and afterwards the very bits that it held before."""
        self._before = [weight.detach().clone() for weight in self._weights]
        self.put()
        try:
            yield
        finally:
            self.put_back()

    def put(self) -> None:
        """Write the average into the student."""
        self._put(self._average)

    def put_back(self) -> None:
        """End what ``in_place`` began, if a signal kept it from doing so."""
        if self._before is not None:
            self._put(self._before)
            self._before = None

    def state(self) -> list[Tensor]:
        return self._average

    def load(self, state: Sequence[Tensor]) -> None:
        """Put the average where it was when ``state`` was taken."""
        for average, value in zip(self._average, state, strict=True):
            average.copy_(value)

    @torch.no_grad()
    def _put(self, values: Sequence[Tensor]) -> None:
        for weight, value in zip(self._weights, values, strict=True):
            weight.copy_(value)
