"""Outputs of any form (a tensor, nested tuples, lists, dicts) as a flat list of arrays."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError


def tensors_in(outputs: Any) -> list[Tensor]:
    """The tensors of ``outputs``, in order; whatever else is among them is left out."""
    return [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor)]


def arrays_of(outputs: Any) -> list[Array]:
    """The tensors of ``outputs``, in order, as numpy arrays.

    Raises:
        ConfigError: there is none, or there is something that can't be compared.
    """
    leaves = [leaf for leaf in tree_leaves(outputs) if leaf is not None]
    foreign = next((leaf for leaf in leaves if not isinstance(leaf, Tensor)), None)
    if foreign is not None or not leaves:
        found = "nothing" if foreign is None else type(foreign).__name__
        raise ConfigError(f"a model must return tensors, in tuples, lists or dicts; this one returned {found}")
    return [_array(leaf.detach().cpu()) for leaf in leaves]


def _array(tensor: Tensor) -> Array:
    """numpy has no bfloat16; float32 holds every value of it."""
    return tensor.float().numpy() if tensor.dtype is torch.bfloat16 else tensor.numpy()
