"""Rules for numbers that are not finite, the same in every run:

1. ``on_nan="stop"``: end, with the batch's index.
2. Inputs that are not finite: leave out the step that would have read them.
3. Loss, statistics, gradient or weights, the first time at a batch: back to the last snapshot, at half the rate.
4. The same again at that batch: back, and leave out the step that reads it.

More than ``max_rollbacks`` of 2 to 4 in a run end it like 1.
"""

from __future__ import annotations

from dataclasses import replace

from rdpass.core.errors import DivergedError
from rdpass.training.config import DistillConfig
from rdpass.training.faults import NotFinite
from rdpass.training.state import Position


def recovered(base: Position, failed: Position, fault: NotFinite, config: DistillConfig) -> Position:
    """``base``, where the run goes on, with what it has learnt from the fault met at ``failed``.

    Raises:
        DivergedError: the run is to end.
    """
    slower = "try a lower --lr" if config.clip is not None else "try --clip 1, or a lower --lr"
    where = f"at step {failed.step}, batch {fault.batch} of epoch {failed.epoch + 1}"
    if config.on_nan == "stop":
        remedy = "leave such batches out" if fault.in_data else slower
        raise DivergedError(f"{fault} ({where}); {remedy}, or --on-nan rollback") from fault
    if failed.rollbacks == config.max_rollbacks:
        raise DivergedError(f"{fault} ({where}), after {failed.rollbacks} recoveries; {slower}") from fault
    place = (failed.epoch, fault.batch)
    skip = fault.in_data or place in failed.failed
    return replace(
        base,
        rollbacks=failed.rollbacks + 1,
        failed=[*failed.failed, place],
        skipped=[*failed.skipped, *([place] if skip else [])],
        lr_scale=failed.lr_scale * (1.0 if skip else 0.5),
    )
