"""Batches to measure on: whatever a user gives, read once, for all networks alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from rdpass.core.comparison import Array
from rdpass.training.generators import Stream
from rdpass.training.loading import failures_named


def read_batches(data: Iterable[Any] | Array | Tensor, what: str) -> Iterator[Any]:
    """Raw batches with torch's tensors; what a loader draws is the same in every call.

    Raises:
        DivergedError: the loader fails; the message names it by ``what``, and the batch.
    """
    if isinstance(data, np.ndarray | Tensor):
        data = [data]
    stream = Stream(0, 0, 2)
    with failures_named(what, 0), stream:
        given: Iterator[Any] = iter(data)
    for index in count():
        with failures_named(what, index), stream:
            raw = next(given, given)
        if raw is given:
            return
        yield tree_map(lambda x: torch.from_numpy(x) if isinstance(x, np.ndarray) else x, raw)
