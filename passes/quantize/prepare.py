"""Prepare a float network for quantisation: constants and batch norms folded, every node named, opset 21.

What does not change its numbers; the names are what kept tensors and tables refer to.
"""

from __future__ import annotations

import onnx
import onnxsim
from onnx.version_converter import convert_version

from rdpass.core.errors import ConfigError, first_line
from rdpass.core.numeric_types import FLOAT32

OPSET = 21
"""QuantizeLinear and DequantizeLinear take 16-bit integers from this one on."""
QUANTISED = ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger")


def prepare(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of ``model`` to quantise, with the shapes of all values.

    Raises:
        ConfigError: it is quantised already or of half precision, or ONNX can't raise it to opset 21.
    """
    _check_float(model)
    try:
        simplified, sound = onnxsim.simplify(model)
        raised = _raised(simplified if sound else model)
    except Exception as error:  # both libraries raise what they like
        raise ConfigError(f"the model can't be brought to opset {OPSET}: {first_line(error)}") from error
    _name_nodes(raised)
    return onnx.shape_inference.infer_shapes(raised, data_prop=True)


def _check_float(model: onnx.ModelProto) -> None:
    found = next((node for node in model.graph.node if node.op_type in QUANTISED), None)
    if found is not None:
        raise ConfigError(f"the model is quantised already: it has a {found.op_type}; give the float model")
    halves = [t.name for t in model.graph.initializer
              if t.data_type in (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)]  # fmt: skip
    if halves:
        raise ConfigError(f"the model holds numbers of 16 bits ({halves[0]}); give the model in {FLOAT32}")


def _raised(model: onnx.ModelProto) -> onnx.ModelProto:
    version = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return convert_version(model, OPSET) if version < OPSET else model


def _name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a name of its own, after its first output where it has none."""
    seen: set[str] = set()
    for node in model.graph.node:
        name = node.name or node.output[0]
        while name in seen:
            name += "_"
        node.name = name
        seen.add(name)
