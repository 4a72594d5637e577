"""PRelu with one slope a channel as a vector (C), as MXNet writes it: (C, 1, ...) by ONNX's rules of broadcasting.

Where the last axis has C places in all of them the file is taken at its word.
"""

from __future__ import annotations

import onnx
from onnx import numpy_helper

from rdpass.onnx.normalise.protos import inferred_shapes


def repair_slopes(model: onnx.ModelProto, label: str) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """``model`` itself where all slopes are right; else a copy, and a sentence that names the nodes."""
    slopes = {tensor.name: tensor for tensor in model.graph.initializer if len(tensor.dims) == 1}
    slopes |= {
        n.output[0]: n.attribute[0].t for n in model.graph.node
        if n.op_type == "Constant" and n.attribute[0].name == "value" and len(n.attribute[0].t.dims) == 1
    }  # fmt: skip
    if not any(node.op_type == "PRelu" and node.input[1] in slopes for node in model.graph.node):
        return model, ()
    repaired = onnx.ModelProto()
    repaired.CopyFrom(model)
    named = []
    shapes = inferred_shapes(model)
    by_channel = [
        (index, node, shape) for index, node in enumerate(repaired.graph.node)
        if node.op_type == "PRelu" and node.input[1] in slopes and len(shape := shapes.get(node.input[0], ())) > 2
        and 1 < slopes[node.input[1]].dims[0] == shape[1]
    ]  # fmt: skip
    if all(shape[1] == shape[-1] for _, _, shape in by_channel):
        return model, ()
    for index, node, shape in by_channel:
        name = f"{node.input[1]}_per_channel_{index}"
        shaped = numpy_helper.to_array(slopes[node.input[1]]).reshape(-1, *[1] * (len(shape) - 2))
        repaired.graph.initializer.append(numpy_helper.from_array(shaped, name))
        node.input[1] = name
        named.append(node.name or node.output[0])
    first, more = named[0], f" and {len(named) - 1} more" if len(named) > 1 else ""
    return repaired, (
        f"{label}: PRelu {first!r}{more} has its slopes as a vector, which ONNX would lay along the last axis; read"
        " as one a channel, as MXNet means it",
    )
