"""A student beside its teacher on the images held out: what ``convert`` states when it is done."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from rdpass.core.comparison import Array
from rdpass.core.estimates import Compared
from rdpass.scoring.figures import Measure, RowMeasure, class_scores
from rdpass.sources.samples import with_tensors
from rdpass.training.batches import placed, rows_of, step_named, unpacking_for
from rdpass.training.generators import Stream
from rdpass.training.loading import read_batches
from rdpass.training.losses import Criteria
from rdpass.training.objective import Batch
from rdpass.training.request import Request


@torch.inference_mode()
def compare_on_held_out(teacher: nn.Module, student: nn.Module, request: Request) -> tuple[Compared, ...]:
    """Both on ``request.validate``, read once: classes that are right, or the loss of the request.

    Nothing where there is no such loader, or an iterator, which the training has read. The modules are copied.
    """
    if request.validate is None or isinstance(request.validate, Iterator):
        return ()
    device = request.config.device
    networks = [copy.deepcopy(module).to(device).eval() for module in (teacher, student)]
    measures = [_measure(request) for _ in networks]
    unpacking, images = unpacking_for(networks[1]), 0
    for index, raw in enumerate(read_batches(request.validate, "validation", Stream(0, 0, 2))):
        batch = placed(unpacking.batch(with_tensors(raw), index), device, torch.contiguous_format)
        images += rows_of(batch)
        for network, measure in zip(networks, measures, strict=True):
            with step_named([batch], index, unpacking.example, "validation batch"):
                measure.add(network(*batch.inputs), batch)
    before, after = (measure.figures() for measure in measures)
    return tuple(
        Compared(name, images, before[name].estimate(), figure.estimate(), figure.difference(before[name]))
        for name, figure in after.items() if name in before
    )  # fmt: skip


def _measure(request: Request) -> Measure:
    if request.loss is None:
        return RowMeasure(lambda outputs, batch: class_scores(_on_cpu(outputs), _on_cpu_batch(batch)))
    return RowMeasure(lambda outputs, batch: _loss(request.criteria, outputs, batch))


def _loss(criteria: Criteria, outputs: Any, batch: Batch) -> dict[str, tuple[Array, Array]]:
    value = float(criteria.loss_of(outputs, batch))
    return {"loss": (np.array([value]), np.array([float(rows_of(batch))]))}


def _on_cpu(value: Any) -> Any:
    return tree_map(lambda x: x.cpu() if isinstance(x, Tensor) else x, value)


def _on_cpu_batch(batch: Batch) -> Batch:
    return Batch(batch.inputs, _on_cpu(batch.targets))
