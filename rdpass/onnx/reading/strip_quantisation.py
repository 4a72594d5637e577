"""A quantised (QDQ) network without its rounding: the float32 network that recipes work on.

1. ``DequantizeLinear`` of constants is computed.
2. A pair ``QuantizeLinear``, ``DequantizeLinear`` gives what it is given, and what only moves integers between them
   moves that. The clipping of the pair goes with it, and so does a Clip of integers, which says how many bits they
   have; but for 3.
3. Quantisers leave out a ReLU in front of integers that begin at zero, which clip as it would, and a ReLU6 in front of
   those that end at six as well. It is put back.
4. Inputs and outputs in integers become the floats that they stand for.
5. ``DynamicQuantizeLinear`` gives what it is given, at a scale of 1; the sums that its integers made were cast to
   integers and back, which goes as well.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.core.numeric_types import FLOAT32
from rdpass.onnx.normalise.check_supported import name_of
from rdpass.onnx.normalise.fold_constants import fold_constants
from rdpass.onnx.normalise.graph import (
    array_of,
    attribute,
    computed,
    constant,
    input_of,
    is_not_negative,
    made_by,
    replace,
    shape_of,
)

MOVING = ("MaxPool", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Gather", "Concat", "Resize",
          "DepthToSpace", "SpaceToDepth", "Expand", "Tile", "Identity", "GlobalMaxPool", "Relu")  # fmt: skip

Bounds = tuple[int | None, int | None]

_SIX = 6.0
_NEAR = 1e-3
"""How near to six, relative to it, the last integer's number is where a ReLU6 was left out."""


def strip_quantisation(model: onnx.ModelProto, label: str) -> onnx.ModelProto:
    """A copy of ``model`` in float32.

    Raises:
        ConfigError: a node's scale is no constant, or it dequantises integers that were none of floats.
    """
    stripped = ir.from_proto(model)
    for node in list(stripped.graph):
        if node.op_type == "DynamicQuantizeLinear":
            _strip_dynamic(node)
    for node in list(stripped.graph):
        if node.op_type == "DequantizeLinear":
            _strip(node, label)
    for place in range(len(stripped.graph.outputs)):
        _strip_output(stripped.graph, place, label)
    fold_constants(stripped)
    common.RemoveUnusedNodesPass()(stripped)
    left = next((node for node in stripped.graph if _is_quantised(node)), None)
    if left is not None:
        raise ConfigError(
            f"{label}: node {name_of(left)!r} is a {left.op_type} that is no half of a pair; give the network of floats"
        )
    return ir.to_proto(stripped)


def _is_quantised(node: ir.Node) -> bool:
    return "quantizelinear" in node.op_type.lower() or node.op_type.startswith("QLinear")


def _strip(node: ir.Node, label: str) -> None:
    scale = array_of(input_of(node, 1))
    if scale is None:
        raise ConfigError(
            f"{label}: node {name_of(node)!r} has a scale that is no constant; give the network of floats"
        )
    integers = array_of(input_of(node, 0))
    if integers is not None:
        zero = array_of(input_of(node, 2))
        number = _dequantised(integers, scale, zero, attribute(node, "axis", 1))
        replace(node, constant(node, number))
    else:
        source = node.inputs[0]
        assert source is not None
        replace(node, _without_rounding(source, label))


def _strip_output(graph: ir.Graph, place: int, label: str) -> None:
    """Case 4, of an output that a QuantizeLinear gives, be it moved behind."""
    output = graph.outputs[place]
    if output.dtype is None or not output.dtype.is_integer() or not _is_of_quantiser(output):
        return
    floats, maker = _without_rounding(output, label), output.producer()
    assert maker is not None
    if floats is not output:
        replace(maker, floats)
    graph.outputs[place].type = ir.TensorType(ir.DataType.FLOAT)


def _is_of_quantiser(value: ir.Value) -> bool:
    while (moved := made_by(value, "Clip", *MOVING)) is not None and moved.inputs[0] is not None:
        value = moved.inputs[0]
    return made_by(value, "QuantizeLinear") is not None


def _strip_dynamic(node: ir.Node) -> None:
    """Case 5."""
    source, (integers, scale, _) = node.inputs[0], node.outputs
    assert source is not None
    for reader in [use.node for use in integers.uses()]:
        if reader.op_type == "DequantizeLinear":
            sums = [use.node for use in reader.outputs[0].uses()]
            replace(reader, source)
            for computing in sums:
                _drop_casts(computing)
    scale.replace_all_uses_with(constant(node, np.asarray(1, FLOAT32)))


def _drop_casts(node: ir.Node) -> None:
    """Take away the Cast of a node's sums to integers, and those back."""
    for rounding in [use.node for use in node.outputs[0].uses() if use.node.op_type == "Cast"]:
        for back in [use.node for use in rounding.outputs[0].uses() if use.node.op_type == "Cast"]:
            replace(back, node.outputs[0])


def _without_rounding(value: ir.Value, label: str, bounds: Bounds = (None, None)) -> ir.Value:
    """The float32 numbers that integers mean, where a QuantizeLinear made them and nodes that move them lie between.

    ``bounds``: of a Clip behind them.
    """
    if value.dtype is not None and value.dtype.is_floating_point():
        return value  # another DequantizeLinear reads it, too
    quantised, moved = made_by(value, "QuantizeLinear"), made_by(value, *MOVING)
    bounded = made_by(value, "Clip")
    if quantised is not None:
        return _clipped(quantised, bounds)
    if bounded is not None and bounded.inputs[0] is not None:
        return _without_rounding(bounded.inputs[0], label, (_integer(bounded, 1), _integer(bounded, 2)))
    if value.is_graph_input() and all(use.node.op_type in ("DequantizeLinear", *MOVING) for use in value.uses()):
        value.type = ir.TensorType(ir.DataType.FLOAT)
        return value
    if moved is None or len(moved.outputs) != 1:
        maker = value.producer()
        name = f"node {name_of(maker)!r}, a {maker.op_type}," if maker is not None else f"the input {value.name!r}"
        raise ConfigError(f"{label}: {name} gives integers that no QuantizeLinear made; give the network of floats")
    sources = [_without_rounding(given, label) for given in moved.inputs[: _maps(moved)] if given is not None]
    for index, source in enumerate(sources):
        moved.replace_input_with(index, source)
    value.type = sources[0].type
    return value


def _integer(node: ir.Node, index: int) -> int | None:
    """An input that is one whole number."""
    array = array_of(input_of(node, index))
    return None if array is None else int(array.reshape(()))


def _clipped(quantised: ir.Node, bounds: Bounds) -> ir.Value:
    """What a QuantizeLinear reads, behind the activation that it stands in for (case 3)."""
    source, scale = quantised.inputs[0], array_of(input_of(quantised, 1))
    zero = array_of(input_of(quantised, 2)) if input_of(quantised, 2) is not None else np.zeros((), np.uint8)
    assert source is not None
    if zero is None or scale is None or zero.size != 1 or source.producer() is None or is_not_negative(source):
        return source
    range_ = np.iinfo(zero.dtype)
    least, most = (
        given if bound is None else bound for bound, given in zip(bounds, (range_.min, range_.max), strict=True)
    )
    if int(zero.reshape(())) != max(least, range_.min):
        return source
    highest, shape = (most - least) * float(scale.reshape(())), shape_of(source)
    if abs(highest - _SIX) < _NEAR * _SIX:
        ends = [constant(quantised, np.asarray(bound, FLOAT32)) for bound in (0, _SIX)]
        active = computed(quantised, "Clip", [source, *ends], shape)
    else:
        active = computed(quantised, "Relu", [source], shape)
    quantised.replace_input_with(0, active)
    return active


def _maps(node: ir.Node) -> int:
    """How many of a node's first inputs are maps."""
    return len(node.inputs) if node.op_type == "Concat" else 1


def _dequantised(integers: Array, scale: Array, zero: Array | None, axis: int) -> Array:
    shape = [1] * integers.ndim
    if scale.ndim and scale.size > 1:
        shape[axis] = scale.size
    offset = np.zeros(()) if zero is None else zero.astype(FLOAT32).reshape(shape if zero.size > 1 else ())
    scaled = (integers.astype(FLOAT32) - offset) * scale.reshape(shape if scale.size > 1 else ())
    return np.asarray(scaled, FLOAT32)
