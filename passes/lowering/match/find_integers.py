"""Find the places of integer kernels: what lies between maps of bytes, with the floats in between left out.

A kernel takes in the dequantisation of what it reads, and the quantisation of what it gives:

1. a convolution of bytes with kept weights, its bias and bounds (``_Layers``); unquantised, its output is float32;
2. the sum of two maps of bytes, alone or in the convolution that gives one of them.

Everything else is left to kernels of floats, between quantise and dequantise as the network says them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32, INT8, INT32, NumericTypes
from rdpass.kernels.choice import computes
from rdpass.kernels.machine import Machine
from rdpass.kernels.quantization import Addition, Bounds, Requantization, limits
from rdpass.kernels.workload import Convolution, Elementwise, Epilogue
from rdpass.passes.lowering.dataflow import Dataflow, array_of, operator_of, shape_of
from rdpass.passes.lowering.match.find_activations import clip_bounds
from rdpass.passes.lowering.match.find_layers import convolution_of
from rdpass.passes.lowering.match.placement import Placement
from rdpass.passes.lowering.match.quantized import Scaled, dequantized, kept_bias, kept_weights, quantized


def find_integers(flow: Dataflow, machine: Machine) -> tuple[Placement, ...]:
    """All placements of integer kernels; no variable is in two of them."""
    found: dict[Any, _Found] = {}
    for variable, _ in flow.bindings:
        part = _layer(flow, variable, machine) or _sum(flow, variable, machine)
        if part is not None and computes(part.work, machine):
            found[part.root] = part
    for root in [root for root, part in found.items() if part.addition is not None]:
        _join(flow, found, root)
    return tuple(part.placement() for part in found.values())


@dataclass(frozen=True)
class _Found:
    """A kernel for ``root``. ``by``: how its sums, or own value, become the output's numbers. ``addends``: of a sum."""

    root: Any
    source: Any
    work: Any
    inside: tuple[Any, ...]
    by: Requantization = field(repr=False)
    constants: tuple[Any, ...] = field(default=(), repr=False)
    addition: Addition | None = None
    addends: tuple[Any, ...] = ()

    def placement(self) -> Placement:
        other = self.addends[1] if self.addends else None
        return Placement(self.root, self.source, self.work, (*self.constants, self.by), self.inside, other)


@dataclass(frozen=True)
class _End:
    """Where a float value becomes bytes: ``root`` and how, and the bounds that it is held between."""

    root: Any
    output: Scaled
    inside: tuple[Any, ...]
    low: float
    high: float

    def bounds(self, machine: Machine) -> Bounds:
        byte = machine.isa.byte
        low, high = limits(byte)
        least = self.output.holds(self.low, byte) if np.isfinite(self.low) else low
        most = self.output.holds(self.high, byte) if np.isfinite(self.high) else high
        return Bounds(self.output.zero_as(byte), least, most)


def _end(flow: Dataflow, value: Any) -> _End | None:
    """The quantisation that ``value`` goes into, through bounds, if nothing else reads it."""
    inside: list[Any] = []
    low, high = -np.inf, np.inf
    while (reader := flow.only_reader(value)) is not None:
        inside.append(value)
        output = quantized(flow, reader)
        if output is not None:
            return _End(reader, output, tuple(inside), low, high)
        held = _bounds_of(flow.value(reader), value)
        if held is None:
            return None
        # The later bound holds.
        low, high = (min(max(bound, held[0]), held[1]) for bound in (low, high))
        value = reader
    return None


def _bounds_of(call: Any, value: Any) -> tuple[float, float] | None:
    """The bounds that an operator holds ``value`` between."""
    name = operator_of(call)
    if name == "relax.nn.relu":
        return 0.0, np.inf
    if name == "relax.clip":
        low, high = clip_bounds(call)
        return float(low), float(high)
    if name not in ("relax.maximum", "relax.minimum"):
        return None
    others = [array_of(argument) for argument in call.args if not argument.same_as(value)]
    if len(others) != 1 or others[0] is None or others[0].size != 1:
        return None
    bound = float(others[0].reshape(-1)[0])
    return (bound, np.inf) if name == "relax.maximum" else (-np.inf, bound)


# 1. Convolutions


def _layer(flow: Dataflow, variable: Any, machine: Machine) -> _Found | None:
    call: Any = flow.value(variable)
    conv = convolution_of(flow, variable)
    source = None if conv is None else dequantized(flow, call.args[0])
    weights = None if source is None else kept_weights(flow, call.args[1])
    if conv is None or source is None or weights is None or _overflows(weights.numbers, machine):
        return None
    scales = source.scale * weights.scales
    sums, bias, added = _biased(flow, variable, scales)
    read = (call.args[0], weights.variable, *added)
    byte = machine.isa.byte
    end = _end(flow, sums)
    if end is None:
        types = NumericTypes(byte, INT8, INT32, FLOAT32)
        by = Requantization(source.zero_as(byte), scales, None)
        inside = (*read, *([] if sums.same_as(variable) else [variable]))
        return _Found(sums, source.variable, replace(conv, types=types), inside, by, (weights.numbers, bias))
    bounds = end.bounds(machine)
    by = Requantization(source.zero_as(byte), scales / end.output.scale, bounds)
    work = replace(conv, types=NumericTypes(byte, INT8, INT32, byte), epilogue=_epilogue(bounds, machine))
    inside = tuple(dict.fromkeys((*read, variable, *end.inside)))
    return _Found(end.root, source.variable, work, inside, by, (weights.numbers, bias))


def _epilogue(bounds: Bounds, machine: Machine) -> Epilogue:
    return Epilogue("clip" if bounds.cuts(machine.isa.byte) else "none")


def _overflows(weights: Array, machine: Machine) -> bool:
    """Tell whether pairs of long products may not fit: two of -128 twice."""
    multiply = machine.isa.multiply(NumericTypes(machine.isa.byte, INT8, INT32, machine.isa.byte))
    return multiply is not None and multiply.name.startswith("SMULL") and bool((weights == limits(INT8)[0]).any())


def _biased(flow: Dataflow, variable: Any, scales: Array) -> tuple[Any, Array, tuple[Any, ...]]:
    """The sums with what is added to them for each channel, that as int32, and the variables that led to it."""
    nothing = variable, np.zeros(len(scales), np.int32), ()
    reader = flow.only_reader(variable)
    call: Any = None if reader is None else flow.value(reader)
    if operator_of(call) != "relax.add":
        return nothing
    others = [argument for argument in call.args if not argument.same_as(variable)]
    if len(others) != 1 or not _is_per_channel(flow, others[0], len(scales)):
        return nothing
    found = kept_bias(flow, others[0], scales)
    return nothing if found is None else (reader, found[0], found[1])


def _is_per_channel(flow: Dataflow, added: Any, channels: int) -> bool:
    """Tell whether it has the shape of one number a channel of (N, C, H, W)."""
    extents = shape_of(added)
    return extents is not None and (extents[-3:] == (channels, 1, 1) or int(np.prod(extents)) == 1)


# 2. Sums


def _sum(flow: Dataflow, variable: Any, machine: Machine) -> _Found | None:
    call: Any = flow.value(variable)
    shape = shape_of(variable)
    if operator_of(call) != "relax.add" or shape is None or len(shape) != 4:
        return None
    first, second = (dequantized(flow, argument) for argument in call.args)
    end = _end(flow, variable)
    if first is None or second is None or end is None:
        return None
    if shape_of(first.variable) != shape or shape_of(second.variable) != shape:
        return None
    return _added(machine, first, second, end, (*call.args, *end.inside), shape)


def _added(
    machine: Machine, own: Scaled, other: Scaled, end: _End, inside: tuple[Any, ...], shape: tuple[int, ...]
) -> _Found:
    byte, bounds = machine.isa.byte, end.bounds(machine)
    addition = Addition(
        float(own.scale / end.output.scale), float(other.scale / end.output.scale), other.zero_as(byte), bounds
    )
    by = Requantization(0, np.ones(1, FLOAT32), Bounds(own.zero_as(byte), *limits(byte)), addition)
    epilogue = replace(_epilogue(bounds, machine), add=True, late=True)
    types = NumericTypes(byte, INT8, INT32, byte)
    work = Elementwise(shape[0], shape[1], shape[2] * shape[3], epilogue, types=types)
    return _Found(end.root, own.variable, work, inside, by, (), addition, (own.variable, other.variable))


def _join(flow: Dataflow, found: dict[Any, _Found], root: Any) -> None:
    """Let the convolution that gives the later of two addends add the other one, if nothing else reads it."""
    total = found[root]
    assert total.addition is not None
    assert total.by.bounds is not None
    own, other = total.addends
    given, zero = total.addition, total.by.bounds.zero
    swapped = Addition(given.other, given.own, zero, given.bounds)
    ways = (own, other, zero, given), (other, own, given.other_zero, swapped)
    for value, added, value_zero, addition in sorted(ways, key=lambda way: -flow.position.get(way[0], -1)):
        layer = found.get(value)
        if layer is None or not isinstance(layer.work, Convolution) or layer.addition is not None:
            continue
        alone = flow.only_reader(value) is not None
        if not alone or layer.by.bounds is None or layer.by.bounds.zero != value_zero:
            continue
        del found[value]
        found[root] = replace(
            layer, root=root, work=replace(layer.work, epilogue=total.work.epilogue), addition=addition,
            inside=tuple(dict.fromkeys((*layer.inside, value, *total.inside))), addends=(value, added),
            by=replace(layer.by, addition=addition),
        )  # fmt: skip
        return
