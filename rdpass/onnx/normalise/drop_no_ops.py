"""Nodes that give what they are given: Identity, Dropout as inference has it, a Cast to the type that is there,
a Reshape, an Expand or a Transpose to the shape that is there, a Pad, a Slice, a Sum or a Concat of one."""

from __future__ import annotations

import onnx_ir as ir

from rdpass.onnx.normalise.graph import array_of, attribute, input_of, replace, shape_of

OPERATORS = ("Identity", "Dropout", "Cast", "Reshape", "Expand", "Flatten", "Squeeze", "Unsqueeze", "Pad", "Sum",
             "Concat", "Max", "Min", "Mean", "Transpose")  # fmt: skip


def drop_no_op(node: ir.Node) -> bool:
    """Take the node away; False where it does something, or is what an input and an output are told apart by."""
    source = input_of(node, 0)
    if source is None or not _does_nothing(node, source):
        return False
    if node.outputs[0].is_graph_output() and (source.producer() is None or source.is_graph_output()):
        return False
    if len(node.outputs) > 1:  # a Dropout's mask
        if node.outputs[1].uses() or node.outputs[1].is_graph_output():
            return False
        node.resize_outputs(1)
    replace(node, source)
    return True


def _does_nothing(node: ir.Node, source: ir.Value) -> bool:
    match node.op_type:
        case "Identity":
            return True
        case "Dropout":
            return _is_false(input_of(node, 2)) or input_of(node, 2) is None
        case "Cast":
            return source.dtype is not None and int(source.dtype) == attribute(node, "to")
        case "Sum" | "Concat" | "Max" | "Min" | "Mean":
            return len(node.inputs) == 1
        case "Transpose":
            perm = attribute(node, "perm")
            return perm is not None and tuple(perm) == tuple(range(len(perm)))
        case "Pad":
            amounts = array_of(input_of(node, 1))
            return amounts is not None and not amounts.any()
        case _:
            before = shape_of(source)
            return before is not None and before == shape_of(node.outputs[0])


def _is_false(value: ir.Value | None) -> bool:
    array = array_of(value)
    return array is not None and not array.any()
