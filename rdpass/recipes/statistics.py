"""Training images for what a recipe measures on the teacher before its student starts."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from rdpass.training.batches import placed, rows_of, unpacking_for
from rdpass.training.faults import NotFinite
from rdpass.training.loading import Loading
from rdpass.training.objective import Batch
from rdpass.training.request import Request


def first_batches(model: nn.Module, request: Request, images: int) -> Iterator[Batch]:
    """The first batches of ``request.train``, whole ones of ``images`` rows together or more; see ``first_inputs``."""
    assert request.train is not None
    unpacking, seen = unpacking_for(model), 0
    for index, raw in Loading(request.train, request.config).epoch(0):
        try:
            batch = unpacking.batch(raw, index)
        except NotFinite:
            if request.config.on_nan == "stop":
                raise
            continue
        yield placed(batch, "cpu", torch.contiguous_format)
        seen += rows_of(batch)
        if seen >= images:
            return


def first_inputs(model: nn.Module, request: Request, images: int) -> Iterator[tuple[Tensor, ...]]:
    """The inputs of ``model`` in the first batches of ``request.train``, ``images`` rows of them or all there are.

    They are those of the training's first epoch (``rdpass.training.loading``), brought to the CPU, where the graph is;
    no generator is moved but a loader's own. A batch that is not finite is left out where the training is to leave it
    out too.
    """
    seen = 0
    for batch in first_batches(model, request, images):
        yield tuple(x[: images - seen] if x.ndim else x for x in batch.inputs)
        seen += rows_of(batch)
