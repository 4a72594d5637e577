"""A Clip of integers between QuantizeLinear and DequantizeLinear is one of the numbers before them.

Tools that know fewer bits than a type has bound the integers there (-7 to 7 for four bits, -127 to 127 for eight):

1. x ─▶ Q ─▶ Clip ─▶ DQ: x ─▶ Clip ─▶ Q ─▶ DQ, within scale · (bound - zero point). Rounding is monotone, and the new
   bounds are numbers that it leaves alone.
2. Bounds that are those of the type do nothing.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from rdpass.core.numeric_types import FLOAT32
from rdpass.onnx.normalise.graph import array_of, computed, constant, input_of, made_by, replace, shape_of

OPERATORS = ("Clip",)


def lift_clip(node: ir.Node) -> bool:
    """Put the bounds before the rounding; False where it is no Clip of integers, or its bounds are no constants."""
    source = input_of(node, 0)
    if source is None or source.dtype is None or not source.dtype.is_integer() or node.outputs[0].is_graph_output():
        return False
    bounds = [_bound(node, index) for index in (1, 2)]
    quantised = made_by(source, "QuantizeLinear")
    if quantised is None or None in bounds:
        return False
    if bounds == [_range(source).min, _range(source).max]:
        replace(node, source)
        return True
    return _lift(node, quantised, [int(bound) for bound in bounds if bound is not None])


def _bound(node: ir.Node, index: int) -> int | None:
    """A bound within the type's range; None where it is no constant."""
    value, limits = input_of(node, index), _range(input_of(node, 0))
    if value is None:
        return int(limits.min if index == 1 else limits.max)
    given = array_of(value)
    return None if given is None else int(np.clip(int(given.reshape(())), limits.min, limits.max))


def _range(value: ir.Value | None) -> np.iinfo:  # type: ignore[type-arg]
    assert value is not None
    assert value.dtype is not None
    return np.iinfo(value.dtype.numpy())


def _lift(node: ir.Node, quantised: ir.Node, bounds: list[int]) -> bool:
    numbers, (scale, zero) = input_of(quantised, 0), (array_of(input_of(quantised, index)) for index in (1, 2))
    if scale is None or scale.size != 1 or (input_of(quantised, 2) is not None and zero is None):
        return False
    offset = 0 if zero is None else int(zero.reshape(-1)[0])
    step = scale.reshape(()).astype(FLOAT32)
    meant = [constant(node, np.asarray((bound - offset) * step, FLOAT32)) for bound in bounds]
    within = computed(node, "Clip", [numbers, *meant], shape_of(numbers))
    integers = computed(node, "QuantizeLinear", [within, *quantised.inputs[1:]], shape_of(numbers))
    integers.type = node.outputs[0].type
    replace(node, integers)
    return True
