"""Layers whose windows give several pixels, as one convolution each: what ``Convolution.subpixel`` says.

1. A transposed convolution of stride s. Output Y = s I + p takes the taps k with Y = s i - before + k for an input i:
   k = (p + before) mod s + s m, i = I + (p + before) div s - m. So every phase p is a convolution of stride 1 over
   windows I; where a phase has fewer taps than the window, zeros fill it up.
2. A convolution whose channels are shuffled into pixels (reshape, transpose, reshape; PixelShuffle, DepthToSpace), a
   bias per channel between them or none.

Left to TVM: groups, dilation, and extents that are no multiple of s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.kernels.workload import Convolution
from rdpass.passes.lowering.dataflow import Dataflow, operator_of, shape_of, types_of, weights_of

_COLUMNS_FIRST = (0, 3, 4, 1, 5, 2)  # DepthToSpace's mode DCR
_CHANNELS_FIRST = (0, 1, 4, 2, 5, 3)  # its mode CRD, and torch's PixelShuffle


@dataclass(frozen=True)
class Subpixel:
    """``root`` is computed by ``convolution`` from ``weights`` (subpixels x filters, C, KH, KW), pixel by pixel, and
    ``bias`` (subpixels x filters). ``inside``: the variables on the way."""

    root: Any
    convolution: Convolution
    weights: Array = field(repr=False)
    bias: Array = field(repr=False)
    inside: tuple[Any, ...] = ()


# 1. Transposed convolutions


def transposed_of(flow: Dataflow, variable: Any) -> Subpixel | None:
    """The transposed convolution of constant weights that ``variable`` is bound to, if its phases fit."""
    call: Any = flow.value(variable)
    if operator_of(call) != "relax.nn.conv2d_transpose":
        return None
    given, shape, wanted = weights_of(call.args[1]), shape_of(call.args[0]), shape_of(variable)
    attrs = call.attrs
    layouts = attrs.data_layout, attrs.kernel_layout, attrs.out_layout
    if given is None or shape is None or wanted is None or layouts != ("NCHW", "IOHW", "NCHW"):
        return None
    if int(attrs.groups) != 1 or [int(number) for number in attrs.dilation] != [1, 1]:
        return None
    before = [int(number) for number in attrs.padding[:2]]
    axes = [
        _Phases.of(given.shape[2 + axis], int(attrs.strides[axis]), before[axis], shape[2 + axis], wanted[2 + axis])
        for axis in (0, 1)
    ]
    if axes[0] is None or axes[1] is None:
        return None
    down, across = axes[0], axes[1]
    batch, channels, height, width = shape
    convolution = Convolution(
        batch, channels, wanted[1], height, width, (down.reach, across.reach),
        padding=(down.before, across.before, down.after, across.after), subpixel=(down.stride, across.stride),
        types=types_of(variable),
    )  # fmt: skip
    weights = np.einsum("apk,cfkl,bql->abfcpq", down.taps, given, across.taps, optimize=True)
    flat = np.ascontiguousarray(weights.reshape(-1, channels, down.reach, across.reach), given.dtype)
    return Subpixel(variable, convolution, flat, np.zeros(len(flat), given.dtype))


@dataclass(frozen=True)
class _Phases:
    """One axis: ``taps`` (phases, reach, kernel) is true where a phase's window takes a tap of the kernel."""

    stride: int
    reach: int
    before: int
    after: int
    taps: Array

    @staticmethod
    def of(kernel: int, stride: int, before: int, given: int, wanted: int) -> _Phases | None:
        places = [
            (phase, (phase + before) // stride - m, (phase + before) % stride + stride * m)
            for phase in range(stride)
            for m in range(kernel)
            if (phase + before) % stride + stride * m < kernel
        ]
        if wanted % stride or not places:
            return None
        first, last = (choose(offset for _, offset, _ in places) for choose in (min, max))
        after = wanted // stride - 1 + last - (given - 1)
        if first > 0 or after < 0:  # what no window sees
            return None
        taps = np.zeros((stride, last - first + 1, kernel), bool)
        for phase, offset, tap in places:
            taps[phase, offset - first, tap] = True
        return _Phases(stride, last - first + 1, -first, after, taps)


# 2. Channels shuffled into pixels


def shuffled(flow: Dataflow, variable: Any, convolution: Convolution, weights: Array) -> Subpixel | None:
    """The convolution that ``variable`` is bound to with the shuffle that alone reads it, if there is one."""
    if convolution.groups != 1:
        return None
    value, inside, bias = variable, [], np.zeros(convolution.filters, weights.dtype)
    reader = flow.only_reader(value)
    constant = None if reader is None else _bias_of(flow, value, reader, convolution.filters)
    if constant is not None:
        bias, inside, value = constant, [value], reader
    found = _shuffle_of(flow, value)
    if found is None:
        return None
    root, between, (down, across), columns_first = found
    filters = convolution.filters // (down * across)
    axes = (down, across, filters) if columns_first else (filters, down, across)
    numbered = np.arange(convolution.filters).reshape(axes)
    order = (numbered if columns_first else numbered.transpose(1, 2, 0)).reshape(-1)
    subpixels = Convolution(
        convolution.batch, convolution.channels, filters, convolution.height, convolution.width, convolution.kernel,
        convolution.stride, convolution.padding, convolution.dilation, subpixel=(down, across),
    )  # fmt: skip
    return Subpixel(root, subpixels, weights[order], bias[order], (*inside, value, *between))


def _bias_of(flow: Dataflow, value: Any, reader: Any, filters: int) -> Array | None:
    """The constant per channel that ``reader`` adds to ``value``, if that is what it does."""
    call: Any = flow.value(reader)
    if operator_of(call) != "relax.add":
        return None
    others = [argument for argument in call.args if not argument.same_as(value)]
    array = weights_of(others[0]) if len(others) == 1 else None
    if array is None or array.shape[-3:] != (filters, 1, 1) or array.size != filters:
        return None
    return array.reshape(-1)


def _shuffle_of(flow: Dataflow, value: Any) -> tuple[Any, tuple[Any, ...], tuple[int, int], bool] | None:
    """The map that a shuffle makes of ``value``, what lies between, its factors, and whether columns come first."""
    chain = [value]
    for wanted in ("relax.reshape", "relax.permute_dims", "relax.reshape"):
        reader = flow.only_reader(chain[-1])
        if reader is None or operator_of(flow.value(reader)) != wanted:
            return None
        chain.append(reader)
    _, apart, turned, root = chain
    given, parts, wanted_shape = shape_of(value), shape_of(apart), shape_of(root)
    turn: Any = flow.value(turned)
    axes = tuple(int(axis) for axis in turn.attrs.axes or ())
    if given is None or parts is None or wanted_shape is None or len(parts) != 6 or len(given) != 4:
        return None
    batch, channels, height, width = given
    for form, (down, across, filters) in ((_COLUMNS_FIRST, parts[1:4]), (_CHANNELS_FIRST, (*parts[2:4], parts[1]))):
        apart_as = parts[0], down * across * filters, parts[4:]
        result = batch, filters, height * down, width * across
        if axes == form and apart_as == (batch, channels, (height, width)) and wanted_shape == result:
            return root, (apart, turned), (down, across), form is _COLUMNS_FIRST
    return None
