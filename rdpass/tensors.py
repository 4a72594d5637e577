"""Outputs of any form (a tensor, nested tuples, lists, dicts) as a flat list of arrays."""

from __future__ import annotations

from typing import Any

from torch.utils._pytree import tree_leaves

from rdpass.comparison import Array


def arrays_of(outputs: Any) -> list[Array]:
    """The tensors of ``outputs``, in order, as numpy arrays."""
    return [leaf.detach().cpu().numpy() for leaf in tree_leaves(outputs) if hasattr(leaf, "detach")]
