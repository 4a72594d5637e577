"""Match an epilogue: all that is done to a value before its first other reader, as far as one kernel can do it.

From the value on, as long as only one operator reads it:
1. a constant per channel is added: it is part of the bias;
2. another map of the same shape is added, once: a shortcut that was kept;
3. the value is clipped from below and above, or goes through another activation (``find_activations``);
4. then the other map is added, where none was before: a shortcut round a block that ends with its activation.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.kernels.workload import Epilogue
from rdpass.passes.lowering.dataflow import Dataflow, array_of, operator_of, shape_of, type_of, weights_of
from rdpass.passes.lowering.match.find_activations import Activation, clip_bounds, find_activation


@dataclass(frozen=True)
class GrownEpilogue:
    """``root`` is the value when all is done, ``inside`` what is computed on the way there, the first value included.

    ``rows``: numbers per channel, see ``Epilogue.rows``.
    """

    root: Any
    other: Any | None
    inside: tuple[Any, ...]
    epilogue: Epilogue
    rows: tuple[Array, ...] = field(repr=False)


def grow_epilogue(
    flow: Dataflow, value: Any, channels: int, taken: Set[Any], shift: Array | None = None, other: Any | None = None
) -> GrownEpilogue:
    """All that is done to ``value``, a map of so many channels, up to operators in ``taken``.

    ``shift`` and ``other``: a bias and a map that are part of the value already.
    """
    bias = np.zeros(channels, type_of(value)) if shift is None else shift
    return _grown(flow, _Growth(value, bias, [], other), taken)


def epilogue_from(flow: Dataflow, source: Any, reader: Any, channels: int, taken: Set[Any]) -> GrownEpilogue | None:
    """The epilogue that ``reader`` begins on ``source``, which others may read too."""
    growth = _Growth(source, np.zeros(channels, type_of(source)), [])
    activation = _activation(flow, growth, taken)
    if activation is not None and reader in (activation.root, *activation.inside):
        return _ended(flow, growth, activation, taken)
    if not _absorb(flow, growth, reader):
        return None
    growth.value = reader
    return _grown(flow, growth, taken)


def _grown(flow: Dataflow, growth: _Growth, taken: Set[Any]) -> GrownEpilogue:
    activation = _activation(flow, growth, taken)
    for reader in _readers(flow, growth, taken):
        if activation is not None or not _absorb(flow, growth, reader):
            break
        growth.inside.append(growth.value)
        growth.value = reader
        activation = _activation(flow, growth, taken)
    return _ended(flow, growth, activation, taken)


def _ended(flow: Dataflow, growth: _Growth, activation: Activation | None, taken: Set[Any]) -> GrownEpilogue:
    root, inside = growth.value, tuple(growth.inside)
    if activation is not None:
        root, inside = activation.root, (*inside, growth.value, *activation.inside)
    epilogue, rows = _epilogue(growth, activation)
    grown = GrownEpilogue(root, growth.other, inside, epilogue, (growth.bias, *rows))
    if growth.other is not None or epilogue.activation == "none":
        return grown
    return _with_late_add(flow, grown, taken)


def _with_late_add(flow: Dataflow, grown: GrownEpilogue, taken: Set[Any]) -> GrownEpilogue:
    """Case 4: the sum of the activated value and another map, if nothing else reads the value."""
    root = grown.root
    reader = flow.only_reader(root)
    call: Any = None if reader is None or reader in taken else flow.value(reader)
    if operator_of(call) != "relax.add" or shape_of(reader) != shape_of(root):
        return grown
    others = [argument for argument in call.args if not _is(argument, root)]
    if len(others) != 1 or array_of(others[0]) is not None or shape_of(others[0]) != shape_of(root):
        return grown
    epilogue = replace(grown.epilogue, add=True, late=True)
    return replace(grown, root=reader, other=others[0], inside=(*grown.inside, root), epilogue=epilogue)


@dataclass
class _Growth:
    """The way so far: its last value, and what has been taken in."""

    value: Any
    bias: Array
    inside: list[Any]
    other: Any | None = None
    low: Array | None = None
    high: Array | None = None

    @property
    def is_bounded(self) -> bool:
        return self.low is not None or self.high is not None


def _readers(flow: Dataflow, growth: _Growth, taken: Set[Any]) -> Iterator[Any]:
    while (reader := flow.only_reader(growth.value)) is not None and reader not in taken:
        yield reader


def _activation(flow: Dataflow, growth: _Growth, taken: Set[Any]) -> Activation | None:
    """The activation that ends it here; bounds before it make that two, which no kernel has."""
    found = find_activation(flow, growth.value, len(growth.bias))
    if found is None or growth.is_bounded or not taken.isdisjoint((found.root, *found.inside)):
        return None
    return found


def _absorb(flow: Dataflow, growth: _Growth, reader: Any) -> bool:
    """Take ``reader`` in, if it is one of the three things above and widens no map of one pixel."""
    if shape_of(reader) != shape_of(growth.value):
        return False
    call = flow.value(reader)
    arguments = [argument for argument in getattr(call, "args", ()) if not _is(argument, growth.value)]
    activated = growth.is_bounded
    match operator_of(call):
        case "relax.add" if len(arguments) == 1 and not activated:
            return _absorb_add(growth, arguments[0], shape_of(reader))
        case "relax.nn.relu" if not activated:
            growth.low = np.zeros(1, growth.bias.dtype)
            return True
        case "relax.maximum" if len(arguments) == 1 and not activated:
            growth.low = per_channel(arguments[0], len(growth.bias))
            return growth.low is not None
        case "relax.minimum" if len(arguments) == 1 and growth.high is None:
            growth.high = per_channel(arguments[0], len(growth.bias))
            return growth.high is not None
        case "relax.clip" if not activated:
            growth.low, growth.high = (np.full(1, bound, growth.bias.dtype) for bound in clip_bounds(call))
            return True
        case _:
            return False


def _absorb_add(growth: _Growth, added: Any, shape: tuple[int, ...] | None) -> bool:
    constant = per_channel(added, len(growth.bias))
    if constant is not None:
        growth.bias = (growth.bias + constant).astype(growth.bias.dtype)
        return True
    if growth.other is None and array_of(added) is None and shape_of(added) == shape:
        growth.other = added
        return True
    return False


def per_channel(expression: Any, channels: int) -> Array | None:
    """A constant that is one number, or one per channel of (N, C, H, W)."""
    array = weights_of(expression)
    if array is None:
        return None
    if array.size == 1:
        return array.reshape(1)
    by_channel = array.ndim in (3, 4) and array.size == channels and array.shape[-3] == channels
    return array.reshape(channels) if by_channel else None


def _epilogue(growth: _Growth, activation: Activation | None) -> tuple[Epilogue, tuple[Array, ...]]:
    add, low, high = growth.other is not None, growth.low, growth.high
    if activation is not None:
        return Epilogue(activation.kind, add=add), activation.rows
    if low is None and high is None:
        return Epilogue(add=add), ()
    if high is None and low is not None and not low.any():
        return Epilogue("relu", add=add), ()
    if low is not None and high is not None and low.size == high.size == 1:
        return Epilogue("clip", float(low[0]), float(high[0]), add), ()
    bounds = (
        np.full_like(growth.bias, -np.inf if low is None else low),
        np.full_like(growth.bias, np.inf if high is None else high),
    )
    return Epilogue("channel_clip", add=add), bounds


def _is(left: Any, right: Any) -> bool:
    return hasattr(left, "same_as") and bool(left.same_as(right))
