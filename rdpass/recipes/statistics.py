"""Training pictures for what a recipe measures on the teacher before its student starts."""

from __future__ import annotations

import random
from collections.abc import Iterator

import torch
from torch import Tensor

from rdpass.recipes.recipe import Request
from rdpass.training import unpack


def first_inputs(request: Request, images: int) -> Iterator[tuple[Tensor, ...]]:
    """The inputs of the first batches of ``request.train``, ``images`` rows of them or all there are.

    Seeded with ``config.seed``; torch's and Python's generators are afterwards as they were.
    """
    assert request.train is not None
    state = random.getstate()
    with torch.random.fork_rng():
        torch.manual_seed(request.config.seed)
        random.seed(request.config.seed)
        try:
            seen = 0
            for index, batch in enumerate(request.train):
                inputs = unpack(batch, index)[0]
                inputs = inputs[: images - seen]
                seen += len(inputs)
                yield (inputs,)
                if seen >= images:
                    break
        finally:
            random.setstate(state)
