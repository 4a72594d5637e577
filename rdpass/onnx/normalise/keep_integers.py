"""What bounds or moves dequantised numbers leaves them on their grid: integers there, for what reads them next.

With Q and DQ of one scale and zero point for a whole tensor:

1. x ─▶ Q ─▶ DQ ─▶ Relu, nothing else in between read: x ─▶ Relu ─▶ Q ─▶ DQ. Rounding is monotone and keeps zero.
2. DQ ─▶ move ─▶ readers: DQ ─▶ move ─▶ Q ─▶ DQ ─▶ readers, for Relu, MaxPool, Reshape, Flatten, Transpose and the like,
   where a layer reads what is moved. A quantised number is the same after another rounding.

Exporters of networks trained with fake quantisation leave these out, and layers would compute in float32.
"""

from __future__ import annotations

import onnx_ir as ir

from rdpass.onnx.normalise.graph import array_of, computed, input_of, made_by, only_reader, replace, shape_of

OPERATORS = ("Relu", "MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze")
READERS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Mul", "Concat", *OPERATORS)


def keep_integers(node: ir.Node) -> bool:
    """Put a Relu before its quantisation, or a quantisation behind what moves; False where neither is called for."""
    source = made_by(input_of(node, 0), "DequantizeLinear")
    if source is None or len(node.outputs) > 1 or not _is_per_tensor(source):
        return False
    return _sink(node, source) if node.op_type == "Relu" and _sinks(node, source) else _requantise(node, source)


def _is_per_tensor(source: ir.Node) -> bool:
    scale, zero = (array_of(input_of(source, index)) for index in (1, 2))
    return scale is not None and zero is not None and scale.size == 1 and array_of(input_of(source, 0)) is None


def _sinks(node: ir.Node, source: ir.Node) -> bool:
    before = made_by(input_of(source, 0), "QuantizeLinear")
    return (
        before is not None
        and only_reader(source.outputs[0]) is node
        and only_reader(before.outputs[0]) is source
        and before.inputs[1:] == source.inputs[1:]
        and not node.outputs[0].is_graph_output()
        and made_by(input_of(before, 0), "DequantizeLinear") is None
    )


def _sink(node: ir.Node, source: ir.Node) -> bool:
    before = made_by(input_of(source, 0), "QuantizeLinear")
    assert before is not None
    numbers = input_of(before, 0)
    before.replace_input_with(0, computed(before, "Relu", [numbers], shape_of(numbers)))
    replace(node, source.outputs[0])
    return True


def _requantise(node: ir.Node, source: ir.Node) -> bool:
    moved = node.outputs[0]
    readers = [use.node for use in moved.uses()]
    if moved.is_graph_output() or not any(reader.op_type in READERS for reader in readers):
        return False
    scales = source.inputs[1:]
    uses = list(moved.uses())
    integers = computed(readers[0], "QuantizeLinear", [moved, *scales], shape_of(moved))
    integers.type = scales[1].type if scales[1] is not None else None
    numbers = computed(readers[0], "DequantizeLinear", [integers, *scales], shape_of(moved))
    numbers.type = moved.type
    for use in uses:
        use.node.replace_input_with(use.idx, numbers)
    return True
