"""One step of the optimiser on the batches of a group: forward, backward, the checks, the update.

The gradient is that of the mean over all rows of the group and of all processes, whatever the batches' sizes: each
batch counts by its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from rdpass.training.batches import rows_of
from rdpass.training.config import DistillConfig
from rdpass.training.faults import NotFinite
from rdpass.training.objective import Batch, Objective
from rdpass.training.optimiser import make_optimiser, set_rate
from rdpass.training.world import World

PRECISION = {"bf16": torch.bfloat16, "fp16": torch.float16}
MOST_OVERFLOWS = 20  # steps in a row that fp16's scaler may leave out while it looks for its scale


@dataclass(frozen=True)
class Taken:
    """Results of one step: the terms' means over its rows, and the norm of the gradient before clipping."""

    terms: dict[str, float]
    gradient_norm: float


class Stepper:
    """Everything one step needs, on its device; ``optimiser`` and ``scaler`` hold state between steps."""

    def __init__(self, objective: Objective, config: DistillConfig, world: World) -> None:
        self._config, self._world = config, world
        self._device = torch.device(config.device).type
        self.optimiser = make_optimiser(objective, config)
        self.scaler = torch.amp.GradScaler(self._device, enabled=config.amp == "fp16")
        # Bounds of clamps may be infinite from the start; what was finite has to stay so.
        self._statistics = [b for b in objective.student.buffers() if b.is_floating_point() and torch.isfinite(b).all()]
        self._runner: nn.Module = objective
        if world.size > 1:  # paths may be switched off at times; statistics are synchronised where they arise
            self._runner = DistributedDataParallel(objective, broadcast_buffers=False, find_unused_parameters=True)
        self._overflows = 0

    def autocast(self) -> torch.autocast:
        """Mixed precision as configured; the parameters themselves stay float32."""
        return torch.autocast(self._device, PRECISION.get(self._config.amp or ""), enabled=self._config.amp is not None)

    def take(self, batches: Sequence[Batch], rows: float, rate: float, first: int) -> Taken:
        """Update the parameters once, at learning rate ``rate``.

        Args:
            batches: this process's batches of the group, on the device.
            rows: samples of the whole group, over all processes.
            first: index of the group's first batch, for the message.

        Raises:
            NotFinite: loss, statistics or gradient are not finite; the parameters are as they were.
        """
        self.optimiser.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for batch in batches:
            share = rows_of(batch) / rows
            with self._gradients_summed(only_here=batch is not batches[-1]):
                with self.autocast():
                    terms = self._runner(batch)
                loss = torch.stack([term.float() for term in terms.values()]).sum()
                # DDP averages over processes where a sum is wanted.
                self.scaler.scale(loss * (share * self._world.size)).backward()  # type: ignore[no-untyped-call]
            for name, term in terms.items():
                sums[name] = sums.get(name, 0.0) + term.detach().float() * share
        self.scaler.unscale_(self.optimiser)
        gradients = [p.grad for group in self.optimiser.param_groups for p in group["params"] if p.grad is not None]
        norm = get_total_norm(gradients)
        taken = self._check(sums, norm, first)
        set_rate(self.optimiser, rate)
        if self._config.clip is not None:
            clip_grads_with_norm_(
                [p for g in self.optimiser.param_groups for p in g["params"]], self._config.clip, norm
            )
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return taken

    def _gradients_summed(self, only_here: bool) -> AbstractContextManager[None]:
        """Processes exchange gradients once a step, with its last batch."""
        if only_here and isinstance(self._runner, DistributedDataParallel):
            return cast(AbstractContextManager[None], self._runner.no_sync())
        return nullcontext()

    def _check(self, sums: dict[str, Tensor], norm: Tensor, first: int) -> Taken:
        peak = get_total_norm(self._statistics, float("inf")).to(norm.device)
        facts = self._world.total(torch.stack([*sums.values(), peak]))
        *means, peak_found, norm_found = torch.cat(
            [facts, norm.reshape(1)]
        ).tolist()  # the step's one wait for the device
        terms = dict(zip(sums, means, strict=True))
        broken = [name for name, value in terms.items() if not _finite(value)]
        if broken:
            raise NotFinite(f"the loss is {sum(means)} ({', '.join(broken)})", first)
        if not _finite(peak_found):
            raise NotFinite("the statistics of a batch norm are not finite", first)
        self._overflows = 0 if _finite(norm_found) else self._overflows + 1
        if self._overflows and (not self.scaler.is_enabled() or self._overflows > MOST_OVERFLOWS):
            self._overflows = 0
            raise NotFinite(f"the gradient's norm is {norm_found}", first)
        return Taken(terms, norm_found)


def _finite(value: float) -> bool:
    return value - value == 0.0
