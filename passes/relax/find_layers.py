"""Which operators one kernel computes together: a convolution, and what is done to its sums before anything else reads.

From a convolution on, as long as only one operator reads the value so far:
1. a constant per channel is added: it is part of the bias;
2. another map of the same shape is added, once: a shortcut that was kept;
3. the value is clipped from below and above, or goes through another activation (``find_activations``), which ends it.

Of two convolutions that one add joins, the later one takes the add.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.passes.relax.dataflow import Dataflow, array_of, operator_of, shape_of
from rdpass.passes.relax.find_activations import Activation, clip_bounds, find_activation

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A convolution layer: ``root`` is the variable whose value its kernel computes from ``source`` (and ``other``).

    ``inside``: the variables computed on the way. ``rows``: numbers per channel, see ``Epilogue.rows``.
    """

    root: Any
    source: Any
    other: Any | None
    inside: tuple[Any, ...]
    convolution: Convolution
    weights: Array = field(repr=False)
    rows: tuple[Array, ...] = field(repr=False)


def find_layers(flow: Dataflow) -> tuple[Layer, ...]:
    """Every 2-d convolution of constant weights, each operator in one layer at most, in the order of their roots."""
    taken: set[Any] = set()
    layers = []
    for variable, _ in reversed(flow.bindings):
        start = _Start.of(flow, variable)
        if start is not None:
            layer = _grow(flow, start, taken)
            taken.update(layer.inside, (layer.root,))
            layers.append(layer)
    return tuple(sorted(layers, key=lambda layer: flow.position[layer.root]))


@dataclass(frozen=True)
class _Start:
    """A convolution that a kernel may be asked for."""

    variable: Any
    source: Any
    weights: Array
    convolution: Convolution

    @staticmethod
    def of(flow: Dataflow, variable: Any) -> _Start | None:
        call: Any = flow.value(variable)
        if operator_of(call) != "relax.nn.conv2d":
            return None
        weights, shape = array_of(call.args[1]), shape_of(call.args[0])
        if weights is None or shape is None or weights.dtype != np.float32:
            return None
        if (call.attrs.data_layout, call.attrs.kernel_layout, call.attrs.out_layout) != ("NCHW", "OIHW", "NCHW"):
            return None
        return _Start(variable, call.args[0], weights, _convolution(shape, weights.shape, call.attrs))


def _convolution(shape: tuple[int, ...], weights: tuple[int, ...], attributes: Any) -> Convolution:
    batch, channels, height, width = shape
    top, left, bottom, right = (int(number) for number in attributes.padding)
    stride, dilation = ((int(a), int(b)) for a, b in (attributes.strides, attributes.dilation))
    return Convolution(
        batch, channels, weights[0], height, width, (weights[2], weights[3]),
        stride, (top, left, bottom, right), dilation, int(attributes.groups),
    )  # fmt: skip


@dataclass
class _Growth:
    """A layer on the way: its last value so far, and what has been taken in."""

    value: Any
    bias: Array
    inside: list[Any]
    other: Any | None = None
    low: Array | None = None
    high: Array | None = None

    @property
    def is_bounded(self) -> bool:
        return self.low is not None or self.high is not None


def _grow(flow: Dataflow, start: _Start, taken: set[Any]) -> Layer:
    growth = _Growth(start.variable, np.zeros(start.convolution.filters, np.float32), [])
    activation = _activation(flow, growth, taken)
    for reader in _readers(flow, growth, taken):
        if activation is not None or not _absorb(flow, growth, reader):
            break
        growth.inside.append(growth.value)
        growth.value = reader
        activation = _activation(flow, growth, taken)
    if activation is not None:
        growth.inside += [growth.value, *activation.inside]
        growth.value = activation.root
    epilogue, rows = _epilogue(growth, activation)
    return Layer(
        growth.value, start.source, growth.other, tuple(growth.inside),
        replace(start.convolution, epilogue=epilogue), start.weights, (growth.bias, *rows),
    )  # fmt: skip


def _readers(flow: Dataflow, growth: _Growth, taken: set[Any]) -> Iterator[Any]:
    while (reader := flow.only_reader(growth.value)) is not None and reader not in taken:
        yield reader


def _activation(flow: Dataflow, growth: _Growth, taken: set[Any]) -> Activation | None:
    """The activation that ends a layer here; bounds before it make that two, which no kernel has."""
    found = find_activation(flow, growth.value, len(growth.bias))
    if found is None or growth.is_bounded or not taken.isdisjoint((found.root, *found.inside)):
        return None
    return found


def _absorb(flow: Dataflow, growth: _Growth, reader: Any) -> bool:
    """Take ``reader`` into the layer, if it is one of the three things above."""
    call = flow.value(reader)
    arguments = [argument for argument in getattr(call, "args", ()) if not _is(argument, growth.value)]
    activated = growth.is_bounded
    match operator_of(call):
        case "relax.add" if len(arguments) == 1 and not activated:
            return _absorb_add(growth, arguments[0], shape_of(reader))
        case "relax.nn.relu" if not activated:
            growth.low = np.zeros(1, np.float32)
            return True
        case "relax.maximum" if len(arguments) == 1 and not activated:
            growth.low = _per_channel(arguments[0], len(growth.bias))
            return growth.low is not None
        case "relax.minimum" if len(arguments) == 1 and growth.high is None:
            growth.high = _per_channel(arguments[0], len(growth.bias))
            return growth.high is not None
        case "relax.clip" if not activated:
            growth.low, growth.high = (np.full(1, bound, np.float32) for bound in clip_bounds(call))
            return True
        case _:
            return False


def _absorb_add(growth: _Growth, added: Any, shape: tuple[int, ...] | None) -> bool:
    constant = _per_channel(added, len(growth.bias))
    if constant is not None:
        growth.bias = (growth.bias + constant).astype(np.float32)
        return True
    if growth.other is None and array_of(added) is None and shape_of(added) == shape:
        growth.other = added
        return True
    return False


def _per_channel(expression: Any, channels: int) -> Array | None:
    """A constant that is one number, or one per channel of (N, C, H, W)."""
    array = array_of(expression)
    if array is None or array.dtype != np.float32:
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
    channels = len(growth.bias)
    bounds = (
        np.broadcast_to(np.float32(-np.inf) if low is None else low, (channels,)),
        np.broadcast_to(np.float32(np.inf) if high is None else high, (channels,)),
    )
    return Epilogue("channel_clip", add=add), bounds


def _is(left: Any, right: Any) -> bool:
    return hasattr(left, "same_as") and bool(left.same_as(right))
