"""Match the operators that one kernel computes together: a convolution, and its epilogue (``grow_epilogue``).

A transposed convolution, or one whose channels are shuffled into pixels, is a convolution too (``subpixel_layers``).

Of two convolutions that one add joins, the later one takes the add.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.kernels.workload import Convolution
from rdpass.passes.lowering.dataflow import Dataflow, operator_of, shape_of, types_of, weights_of
from rdpass.passes.lowering.match.grow_epilogue import grow_epilogue
from rdpass.passes.lowering.match.subpixel_layers import Subpixel, shuffled, transposed_of


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
            layer = start.grow(flow, taken)
            taken.update(layer.inside, (layer.root,))
            layers.append(layer)
    return tuple(sorted(layers, key=lambda layer: flow.position[layer.root]))


@dataclass(frozen=True)
class _Start:
    """A convolution that a kernel may be asked for: ``variable`` is its sums, ``inside`` what leads to them.

    ``bias``: one number per channel of every phase, where the sums have it already.
    """

    variable: Any
    source: Any
    weights: Array
    convolution: Convolution
    bias: Array | None = None
    inside: tuple[Any, ...] = ()

    @staticmethod
    def of(flow: Dataflow, variable: Any) -> _Start | None:
        call: Any = flow.value(variable)
        if (transposed := transposed_of(flow, variable)) is not None:
            return _Start.subpixel(transposed, call.args[0])
        convolution = convolution_of(flow, variable)
        weights = None if convolution is None else weights_of(call.args[1])
        if convolution is None or weights is None:
            return None
        if (found := shuffled(flow, variable, convolution, weights)) is not None:
            return _Start.subpixel(found, call.args[0])
        return _Start(variable, call.args[0], weights, convolution)

    @staticmethod
    def subpixel(found: Subpixel, source: Any) -> _Start:
        return _Start(found.root, source, found.weights, found.convolution, found.bias, found.inside)

    def grow(self, flow: Dataflow, taken: Set[Any]) -> Layer:
        end = grow_epilogue(flow, self.variable, self.convolution.filters, taken)
        convolution = replace(self.convolution, epilogue=end.epilogue)
        rows = tuple(np.tile(row, convolution.subpixels) for row in end.rows)
        if self.bias is not None:
            rows = (rows[0] + self.bias, *rows[1:])
        inside = (*self.inside, *end.inside)
        return Layer(end.root, self.source, end.other, inside, convolution, self.weights, rows)


def convolution_of(flow: Dataflow, variable: Any) -> Convolution | None:
    """The 2-d convolution that ``variable`` is bound to, without any epilogue."""
    call: Any = flow.value(variable)
    if operator_of(call) != "relax.nn.conv2d":
        return None
    shape, weights = shape_of(call.args[0]), shape_of(call.args[1])
    if weights is None or shape is None or shape_of(variable) is None:
        return None
    if (call.attrs.data_layout, call.attrs.kernel_layout, call.attrs.out_layout) != ("NCHW", "OIHW", "NCHW"):
        return None
    return replace(_convolution(shape, weights, call.attrs), types=types_of(variable))


def _convolution(shape: tuple[int, ...], weights: tuple[int, ...], attributes: Any) -> Convolution:
    batch, channels, height, width = shape
    top, left, bottom, right = (int(number) for number in attributes.padding)
    stride, dilation = ((int(a), int(b)) for a, b in (attributes.strides, attributes.dilation))
    return Convolution(
        batch, channels, weights[0], height, width, (weights[2], weights[3]),
        stride, (top, left, bottom, right), dilation, int(attributes.groups),
    )  # fmt: skip
