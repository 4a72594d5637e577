"""Match layers of bytes with kept weights: convolutions, and dense layers.

What follows in floats is taken in as far as it is a bias and bounds. Where no quantisation follows, the output is
float32.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32, INT8, NumericType
from rdpass.kernels.machine import Machine
from rdpass.kernels.quantization import Requantization, limits
from rdpass.kernels.workload import NO_EPILOGUE, Epilogue, Head
from rdpass.passes.lowering.dataflow import Dataflow, operator_of, shape_of
from rdpass.passes.lowering.match.find_layers import convolution_of
from rdpass.passes.lowering.match.integer_parts import Found, byte_types, end_of, epilogue_of
from rdpass.passes.lowering.match.quantized import Scaled, Weights, dequantized, kept_bias, kept_weights, quantized


def convolution_layer(flow: Dataflow, variable: Any, machine: Machine) -> Found | None:
    """A convolution of a map of bytes."""
    call: Any = flow.value(variable)
    conv = convolution_of(flow, variable)
    source = None if conv is None else dequantized(flow, call.args[0])
    weights = None if source is None else kept_weights(flow, call.args[1])
    if conv is None or source is None or weights is None or _overflows(weights.numbers, machine):
        return None
    if not weights.are_bytes and not weights.have_diagonal:
        return None
    layer = _ended(flow, variable, source, weights, machine)
    types = replace(byte_types(machine), output=layer.output)
    work = replace(conv, types=types, epilogue=layer.epilogue, diagonal=not weights.are_bytes)
    inside = (call.args[0], weights.variable, *layer.inside)
    return Found(layer.root, source.variable, work, inside, layer.by, (layer.weights, layer.bias))


@dataclass(frozen=True)
class _Layer:
    """What comes of sums: up to ``root``, of type ``output``; ``weights`` and ``bias`` on one scale, ``by`` from it."""

    root: Any
    output: NumericType
    inside: tuple[Any, ...]
    weights: Array = field(repr=False)
    bias: Array = field(repr=False)
    by: Requantization = field(repr=False)
    epilogue: Epilogue = NO_EPILOGUE


def _ended(flow: Dataflow, sums: Any, source: Scaled, weights: Weights, machine: Machine) -> _Layer:
    scales = source.scale * weights.scales
    value, added, inside = _biased(flow, sums, scales)
    end, zero = end_of(flow, value), source.zero_as(machine.isa.byte)
    numbers, bias, shrunk = _fitting(weights.numbers, added)
    if end is None:
        within = inside if value.same_as(sums) else (*inside, sums)
        return _Layer(value, FLOAT32, within, numbers, bias, Requantization(zero, scales * shrunk, None))
    bounds = end.bounds(machine)
    by = Requantization(zero, scales / end.output.scale * shrunk, bounds)
    within = (*inside, sums, *end.inside)
    return _Layer(end.root, machine.isa.byte, within, numbers, bias, by, epilogue_of(bounds, machine))


_WHOLE = 1e-3
"""A bias is whole where it is that near; one made of integers and two products of scales is not quite."""

_ROOM = 2**31 - 2**24
"""What a sum and everything on the way to it may come to."""


def _fitting(weights: Array, bias: Array) -> tuple[Array, Array, Array]:
    """Weights and whole biases whose sums fit int32, and the power of 2 that each filter's scale is multiplied by.

    1. Weights of a few bits have a coarse scale, to which a bias of floats would be rounded: of 4 bits, by a step of
       the output in some places. Such weights are doubled as often as they stay bytes.
    2. A filter of next to no weights has a small scale and on it a large bias: tools choose scales so that it just
       fits int32. Halved some times, such weights change its sums by less than their bias's rounding.
    """
    grown = _growth(weights, bias)
    weights, bias = (weights * grown).astype(weights.dtype), np.rint(bias * grown).astype(np.int64)
    largest = 256 * np.abs(weights.astype(np.int64)).reshape(len(weights), -1).sum(axis=1) + np.abs(bias)
    shrunk = 2.0 ** np.maximum(0, np.ceil(np.log2(np.maximum(largest, 1) / _ROOM)))
    along = shrunk.reshape(-1, *[1] * (weights.ndim - 1))
    return (
        np.rint(weights / along).astype(weights.dtype), np.rint(bias / shrunk).astype(np.int32),
        (shrunk / grown).astype(FLOAT32),
    )  # fmt: skip


def _growth(weights: Array, bias: Array) -> float:
    """The largest power of 2 by which weights stay bytes, where that makes a bias more exact; else 1."""
    largest = np.abs(weights.astype(np.int64)).max(initial=1)
    if weights.dtype != np.int8 or np.abs(bias - np.rint(bias)).max(initial=0) < _WHOLE:
        return 1.0
    return float(2.0 ** np.floor(np.log2(max(limits(INT8)[1] / largest, 1.0))))


def _overflows(weights: Array, machine: Machine) -> bool:
    """Tell whether pairs of long products may not fit: two of -128 twice."""
    multiply = machine.isa.multiply(byte_types(machine))
    return multiply is not None and multiply.name.startswith("SMULL") and bool((weights == limits(INT8)[0]).any())


def _biased(flow: Dataflow, variable: Any, scales: Array) -> tuple[Any, Array, tuple[Any, ...]]:
    """The sums with what is added to them for each channel, on their scales, and the variables that led to it."""
    nothing = variable, np.zeros(len(scales)), ()
    reader = flow.only_reader(variable)
    call: Any = None if reader is None else flow.value(reader)
    if operator_of(call) != "relax.add":
        return nothing
    others = [argument for argument in call.args if not argument.same_as(variable)]
    if len(others) != 1 or not _is_per_channel(flow, others[0], variable, len(scales)):
        return nothing
    found = kept_bias(flow, others[0], scales)
    return nothing if found is None else (reader, found[0], found[1])


def _is_per_channel(flow: Dataflow, added: Any, value: Any, channels: int) -> bool:
    """Tell whether it has the shape of one number a channel of (N, C, H, W), or of (N, C)."""
    extents, whole = shape_of(added), shape_of(value)
    if extents is None or whole is None:
        return False
    wanted = (channels, 1, 1) if len(whole) == 4 else (channels,)
    return extents[-len(wanted) :] == wanted or int(np.prod(extents)) == 1


# Dense layers


def dense_layer(flow: Dataflow, variable: Any, machine: Machine) -> Found | None:
    """A product with kept weights of bytes (N, C), or of a map that is flattened for it alone."""
    call: Any = flow.value(variable)
    if operator_of(call) != "relax.matmul":
        return None
    read = _flattened(flow, call.args[0])
    weights = None if read is None else _dense_weights(flow, call.args[1])
    if read is None or weights is None or _overflows(weights[0].numbers, machine):
        return None
    source, flattening = read
    (kept, through) = weights
    batch, channels, *extents = shape_of(source.variable) or ()
    pixels = int(np.prod(extents, dtype=int))
    if kept.numbers.shape[1] != channels * pixels or not kept.are_bytes:
        return None
    layer = _ended(flow, variable, source, kept, machine)
    if layer.epilogue.activation != "none":
        # The kernel of heads holds no bounds of its own: the quantisation's are enough where they are the type's.
        return None
    types = replace(byte_types(machine), output=layer.output)
    work = Head(batch, channels, pixels, len(kept.numbers), averages=pixels == 1, types=types)
    inside = (*flattening, *through, *layer.inside)
    numbers = ((layer.weights, layer.bias, layer.by),)
    return Found(layer.root, source.variable, work, inside, None, numbers, writes="planar")


def _dense_weights(flow: Dataflow, expression: Any) -> tuple[Weights, tuple[Any, ...]] | None:
    """Weights (classes, channels), and the variables that led to them."""
    call: Any = flow.value(expression) if expression in flow.position else None
    if operator_of(call) == "relax.permute_dims" and [int(axis) for axis in call.attrs.axes or (1, 0)] == [1, 0]:
        found = kept_weights(flow, call.args[0])
        fits = found is not None and found.numbers.ndim == 2
        return (found, (expression, call.args[0])) if found is not None and fits else None
    found = kept_weights(flow, expression, outputs=1)
    if found is None or found.numbers.ndim != 2:
        return None
    return replace(found, numbers=np.ascontiguousarray(found.numbers.T)), (expression,)


_FLATTENING = {"relax.reshape", "relax.flatten", "relax.squeeze"}


def _flattened(flow: Dataflow, expression: Any) -> tuple[Scaled, tuple[Any, ...]] | None:
    """The map of bytes that a vector is, and the variables on the way, each read by nobody else."""
    inside: list[Any] = []
    scaled: Scaled | None = None
    value = expression
    while value in flow.position and (value is expression or flow.only_reader(value) is not None):
        call: Any = flow.value(value)
        found = dequantized(flow, value)
        if found is not None:
            if scaled is not None and not scaled.same_scale(found):
                break
            scaled = found
            inside.append(value)
            value = found.variable
        elif operator_of(call) in _FLATTENING:
            inside.append(value)
            value = call.args[0]
        elif scaled is not None and (again := quantized(flow, value)) is not None and again.same_scale(scaled):
            if not _leads_to_bytes(flow, call.args[0]):
                break
            inside.append(value)
            value = call.args[0]
        else:
            break
    if scaled is None or not value.same_as(scaled.variable) or len(shape_of(value) or ()) not in (2, 4):
        return None
    return scaled, tuple(inside)


def _leads_to_bytes(flow: Dataflow, expression: Any) -> bool:
    """Tell whether a float is a map of bytes, dequantised and reshaped."""
    call: Any = flow.value(expression)
    while operator_of(call) in _FLATTENING:
        expression, call = call.args[0], flow.value(call.args[0])
    return dequantized(flow, expression) is not None
