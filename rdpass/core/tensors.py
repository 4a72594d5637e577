"""Outputs of any form (a tensor, nested tuples, lists, dicts, a class of their own) as a flat list or in plain form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError


def tensors_in(outputs: Any) -> list[Tensor]:
    """The tensors of ``outputs``, in order; whatever else is among them is left out."""
    return [leaf for leaf in tree_leaves(plain_outputs(outputs)) if isinstance(leaf, Tensor)]


def arrays_of(outputs: Any) -> list[Array]:
    """The tensors of ``outputs``, in order, as numpy arrays.

    Raises:
        ConfigError: there is none, or there is something that can't be compared, complex numbers among it.
    """
    leaves = [leaf for leaf in tree_leaves(plain_outputs(outputs)) if leaf is not None]
    foreign = next((leaf for leaf in leaves if not isinstance(leaf, Tensor)), None)
    if foreign is not None or not leaves:
        found = "nothing" if foreign is None else type(foreign).__name__
        raise ConfigError(
            f"a model must return tensors, in tuples, lists, dicts or dataclasses; this one returned {found}. Give a"
            " module around it whose forward returns its tensors"
        )
    if any(leaf.is_complex() for leaf in leaves):
        raise ConfigError(
            "a model must return real tensors; this one returned complex ones. torch.view_as_real makes two of one"
        )
    return [_array(leaf.detach().cpu()) for leaf in leaves]


def plain_outputs(outputs: Any) -> Any:
    """``outputs`` in tuples, lists and dicts alone, with their tensors in the same order.

    A mapping of any class becomes a dict, and so does a dataclass, without what is None; a named tuple becomes a tuple,
    and so does whatever else is known to ``torch.utils._pytree``.
    """
    if isinstance(outputs, dict):
        return {key: plain_outputs(value) for key, value in outputs.items()}
    if is_dataclass(outputs) and not isinstance(outputs, type):
        named = {field.name: getattr(outputs, field.name) for field in fields(outputs)}
        return {name: plain_outputs(value) for name, value in named.items() if value is not None}
    if isinstance(outputs, list | tuple):
        return (list if isinstance(outputs, list) else tuple)(plain_outputs(value) for value in outputs)
    parts, _ = tree_flatten(outputs, is_leaf=lambda value: value is not outputs)
    return outputs if len(parts) == 1 and parts[0] is outputs else tuple(plain_outputs(part) for part in parts)


def type_names(types: Iterable[torch.dtype]) -> str:
    """Torch's types as people write them.

    Example:
        >>> type_names([torch.float16, torch.bfloat16, torch.float16])
        'bfloat16 and float16'
    """
    return " and ".join(sorted({str(kind).removeprefix("torch.") for kind in types}))


def _array(tensor: Tensor) -> Array:
    """numpy has no bfloat16; float32 holds every value of it."""
    return tensor.float().numpy() if tensor.dtype is torch.bfloat16 else tensor.numpy()
