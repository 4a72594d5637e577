"""Match where a network of bytes begins and ends in floats.

1. A stem: a convolution that alone reads the quantised image, with the quantisation, or that reads an image of bytes,
   and the max pool behind it.
2. A quantisation that no other kernel takes in.
3. A dequantisation that no kernel takes in: an output of the network, or what a kernel of floats reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import replace
from typing import Any

import numpy as np

from rdpass.core.numeric_types import FLOAT32, INT8, INT32, NumericTypes
from rdpass.kernels.machine import Machine
from rdpass.kernels.workload import Convolution, Dequantization, Pooling, Quantization, QuantizedStem
from rdpass.passes.lowering.dataflow import Dataflow, is_float_map, operator_of, shape_of, type_of
from rdpass.passes.lowering.match.integer_parts import Found
from rdpass.passes.lowering.match.quantized import QUANTIZE, dequantized, quantized

_STEM_CHANNELS = 4


def stem_of(flow: Dataflow, layer: Found, found: Mapping[Any, Found]) -> tuple[Found, Found | None] | None:
    """``layer`` with the quantisation of its image, if there is one, and with the pool that alone reads it, which is
    given too."""
    conv = layer.work
    if not isinstance(conv, Convolution) or layer.addition is not None:
        return None
    if conv.channels > _STEM_CHANNELS or conv.groups > 1 or conv.subpixels > 1:
        return None
    stem = _of_bytes(flow, layer) or _of_floats(flow, layer)
    pool = None if stem is None else _pool_behind(flow, layer, found)
    if stem is None or pool is None:
        return None if stem is None else (stem, None)
    work = replace(stem.work, pooling=pool.work)
    return replace(stem, root=pool.root, work=work, inside=(*stem.inside, layer.root, *pool.inside)), pool


def _of_bytes(flow: Dataflow, layer: Found) -> Found | None:
    """The stem of an image that the network takes in bytes: their scale is in the layer's own numbers."""
    if flow.viewed(layer.source) not in flow.parameters:
        return None
    work = QuantizedStem(layer.work, source=type_of(layer.source))
    return replace(layer, work=work, reads="flat", last=(np.asarray(1, FLOAT32),))


def _of_floats(flow: Dataflow, layer: Found) -> Found | None:
    """The stem that quantises the image that the network takes, if it alone reads what that gives."""
    image = quantized(flow, layer.source) if layer.source in flow.position else None
    call: Any = flow.value(layer.source)
    if image is None or flow.viewed(call.args[0]) not in flow.parameters:
        return None
    if flow.only_reader(layer.source) is None:
        return None
    return replace(
        layer, source=call.args[0], work=QuantizedStem(layer.work), inside=(*layer.inside, layer.source), reads="flat",
        last=(np.asarray(image.scale, FLOAT32),),
    )  # fmt: skip


def _pool_behind(flow: Dataflow, layer: Found, found: Mapping[Any, Found]) -> Found | None:
    """The max pool that alone reads what a layer gives."""
    if flow.only_reader(layer.root) is None or layer.work.types.output.is_float:
        return None
    pools = (part for part in found.values() if isinstance(part.work, Pooling) and part.source.same_as(layer.root))
    return next((pool for pool in pools if pool.work.kind == "max"), None)


def quantizations(flow: Dataflow, taken: Set[Any], machine: Machine) -> Iterator[Found]:
    """Case 2."""
    types = NumericTypes(FLOAT32, FLOAT32, FLOAT32, machine.isa.byte)
    for variable, call in flow.bindings:
        output = quantized(flow, variable) if operator_of(call) == QUANTIZE and variable not in taken else None
        shape = shape_of(variable)
        if output is None or shape is None or len(shape) != 4 or not is_float_map(call.args[0]):
            continue
        work = Quantization(shape[0], shape[1], shape[2] * shape[3], types)
        numbers = output.scale, output.zero_as(machine.isa.byte)
        yield Found(variable, call.args[0], work, (), None, numbers, reads="flat")


def dequantizations(flow: Dataflow, taken: Set[Any], blocked: Set[Any], machine: Machine) -> Iterator[Found]:
    """Case 3, of maps in ``blocked``."""
    types = NumericTypes(machine.isa.byte, INT8, INT32, FLOAT32)
    for variable, _ in flow.bindings:
        source = dequantized(flow, variable) if variable not in taken else None
        shape = shape_of(variable)
        if source is None or source.variable not in blocked or shape is None or len(shape) != 4:
            continue
        work = Dequantization(shape[0], shape[1], shape[2] * shape[3], types)
        numbers = source.scale, source.zero_as(machine.isa.byte)
        yield Found(variable, source.variable, work, (), None, numbers, writes="flat")
