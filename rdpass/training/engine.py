"""``train``: it minimises the sum of the terms that an ``Objective`` gives, and knows no recipe.

Nothing is picked by looking at the validation data unless the settings ask for it: the last step's weights are the
result.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from rdpass.core.interruption import Interruption
from rdpass.training.generators import kept_generators
from rdpass.training.loading import Loading
from rdpass.training.objective import Objective
from rdpass.training.request import Request
from rdpass.training.run import Run
from rdpass.training.state import Record
from rdpass.training.synchronised_norm import synchronised_norms
from rdpass.training.world import joined_world, own_device


def train(objective: Objective, request: Request) -> list[Record]:
    """Train ``objective`` in place and return a record per epoch; afterwards it lies on the CPU.

    Under torchrun every process calls this alike (``rdpass.training.world``). The caller's random generators are left
    as they were.

    Raises:
        DivergedError: numbers that are not finite, or data that can't be used; the message has the batch's index.
        ConfigError: settings that don't go together, or a checkpoint that does not belong to them.
        KeyboardInterrupt, SystemExit: SIGINT or SIGTERM came; the state is saved if there is a place for it.
    """
    config = request.config.model_copy(update={"device": own_device(request.config.device)})
    request = replace(request, config=config)
    loading = Loading(request.train if request.train is not None else (), config)
    if request.resume or config.on_nan == "rollback":
        loading.check_rereadable()
    try:
        with (
            joined_world(config.device) as world,
            kept_generators(),
            synchronised_norms(objective, world),
            Interruption(deferred=world.size > 1) as interruption,
        ):
            return Run(objective, request, loading, world, interruption).finish()
    finally:
        objective.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
