"""Match what is done to maps of bytes without weights: sums, products, pools, means, other extents, concatenations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.machine import Machine
from rdpass.kernels.quantization import Addition, Bounds, Requantization, limits
from rdpass.kernels.workload import Elementwise, Head, Pooling, Resizing
from rdpass.kernels.workload.concatenation import Concatenation
from rdpass.passes.lowering.dataflow import Dataflow, operator_of, shape_of, variables_of
from rdpass.passes.lowering.match.find_heads import is_mean_over_pixels
from rdpass.passes.lowering.match.find_lookups import rescaling_table
from rdpass.passes.lowering.match.find_poolings import pooling_of
from rdpass.passes.lowering.match.find_resizings import resizing_of
from rdpass.passes.lowering.match.integer_parts import End, Found, byte_types, end_of, epilogue_of
from rdpass.passes.lowering.match.quantized import Scaled, dequantized


def sum_of_maps(flow: Dataflow, variable: Any, machine: Machine) -> Found | None:
    """The sum of two maps of one shape."""
    call: Any = flow.value(variable)
    shape = shape_of(variable)
    if operator_of(call) != "relax.add" or shape is None or len(shape) != 4:
        return None
    first, second = (dequantized(flow, argument) for argument in call.args)
    end = end_of(flow, variable)
    if first is None or second is None or end is None:
        return None
    if shape_of(first.variable) != shape or shape_of(second.variable) != shape:
        return None
    return _added(machine, first, second, end, (*call.args, *end.inside), shape)


def _added(
    machine: Machine, own: Scaled, other: Scaled, end: End, inside: tuple[Any, ...], shape: tuple[int, ...]
) -> Found:
    byte, bounds = machine.isa.byte, end.bounds(machine)
    addition = Addition(
        float(own.scale / end.output.scale), float(other.scale / end.output.scale), other.zero_as(byte), bounds
    )
    by = Requantization(0, np.ones(1, FLOAT32), Bounds(own.zero_as(byte), *limits(byte)), addition)
    epilogue = replace(epilogue_of(bounds, machine), add=True, late=True)
    work = Elementwise(shape[0], shape[1], shape[2] * shape[3], epilogue, types=byte_types(machine))
    return Found(end.root, own.variable, work, inside, by, addition=addition, addends=(own.variable, other.variable))


def product_of_maps(flow: Dataflow, variable: Any, machine: Machine) -> Found | None:
    """The product of two maps of one shape, or of a map and a gate of one pixel."""
    call: Any = flow.value(variable)
    shape = shape_of(variable)
    if operator_of(call) != "relax.multiply" or shape is None or len(shape) != 4:
        return None
    maps = [dequantized(flow, argument) for argument in call.args]
    end = end_of(flow, variable)
    if end is None or any(each is None for each in maps):
        return None
    own, other = sorted((each for each in maps if each is not None), key=lambda each: shape_of(each.variable) != shape)
    second = shape_of(other.variable)
    if shape_of(own.variable) != shape or second not in (shape, (*shape[:2], 1, 1)):
        return None
    kind: Literal["map", "gate"] = "map" if second == shape else "gate"
    byte, bounds = machine.isa.byte, end.bounds(machine)
    by = Requantization(
        own.zero_as(byte), _single(own.scale * other.scale / end.output.scale), bounds, other_zero=other.zero_as(byte)
    )
    work = Elementwise(
        shape[0], shape[1], shape[2] * shape[3], epilogue_of(bounds, machine), kind, byte_types(machine),
    )  # fmt: skip
    return Found(end.root, own.variable, work, (*call.args, *end.inside), by, gate=other.variable)


def pool_of_map(flow: Dataflow, variable: Any, machine: Machine) -> Found | None:
    """The maximum over windows, or an average."""
    pool = pooling_of(flow, variable)
    return None if pool is None else _of_one_map(flow, variable, pool, pool.kind == "average", machine)


def resized_map(flow: Dataflow, variable: Any, machine: Machine) -> Found | None:
    """A map at other extents: the nearest bytes, or mixtures."""
    work = resizing_of(flow, variable)
    return None if work is None else _of_one_map(flow, variable, work, work.kind == "linear", machine)


def _of_one_map(flow: Dataflow, variable: Any, work: Pooling | Resizing, mixes: bool, machine: Machine) -> Found | None:
    """``work`` on one map: bytes are picked, which keep the scale, or mixed, which may have another."""
    call: Any = flow.value(variable)
    source, end = dequantized(flow, call.args[0]), end_of(flow, variable)
    if source is None or end is None or end.bounds(machine).cuts(machine.isa.byte):
        return None
    if not mixes and not source.same_scale(end.output):
        return None
    by = _rescaled(source, end, machine) if mixes else None
    own = replace(work, types=byte_types(machine))
    return Found(end.root, source.variable, own, (call.args[0], *end.inside), by)


def joined_maps(flow: Dataflow, variable: Any, machine: Machine) -> Found | None:
    """Maps one behind another along their channels, each brought to the scale of the whole."""
    call: Any = flow.value(variable)
    shape = shape_of(variable)
    if operator_of(call) != "relax.concat" or shape is None or len(shape) != 4 or int(call.attrs.axis) not in (1, -3):
        return None
    parts = [dequantized(flow, part) for part in variables_of(call)]
    maps = [part for part in parts if part is not None]
    end = end_of(flow, variable)
    if end is None or len(maps) < len(parts) or end.bounds(machine).cuts(machine.isa.byte):
        return None
    rescaled = tuple(not part.same_scale(end.output) for part in maps)
    tables = [rescaling_table(part, end.output, machine.isa.byte) for part in maps if not part.same_scale(end.output)]
    channels = tuple((shape_of(part.variable) or ())[1] for part in maps)
    work = Concatenation(shape[0], channels, shape[2] * shape[3], rescaled, byte_types(machine))
    first, *others = (part.variable for part in maps)
    return Found(
        end.root, first, work, (*variables_of(call), *end.inside), constants=tuple(tables), others=tuple(others)
    )


def mean_of_map(flow: Dataflow, variable: Any, machine: Machine) -> Found | None:
    """The mean over all pixels, as a map of one pixel or a vector."""
    call: Any = flow.value(variable)
    if not is_mean_over_pixels(call):
        return None
    source, end = dequantized(flow, call.args[0]), end_of(flow, variable)
    shape = None if source is None else shape_of(source.variable)
    if source is None or end is None or shape is None or end.bounds(machine).cuts(machine.isa.byte):
        return None
    work = Head(shape[0], shape[1], shape[2] * shape[3], 0, types=byte_types(machine))
    inside = (call.args[0], *end.inside)
    return Found(end.root, source.variable, work, inside, _rescaled(source, end, machine), (None,))


def _rescaled(source: Scaled, end: End, machine: Machine) -> Requantization:
    factor = _single(source.scale / end.output.scale)
    return Requantization(source.zero_as(machine.isa.byte), factor, end.bounds(machine))


def _single(factor: Any) -> Array:
    return np.full(1, factor, FLOAT32)
