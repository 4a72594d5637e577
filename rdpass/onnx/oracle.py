"""ONNX Runtime as the oracle: what an ONNX model computes."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import onnxruntime

from rdpass.core.comparison import Array


def run_onnx(model: onnx.ModelProto, inputs: Sequence[Array]) -> list[Array]:
    """The outputs of ``model`` for inputs in its own order, without ONNX Runtime's graph optimisations."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    outputs: list[Array] = session.run(None, dict(zip(names, inputs, strict=True)))
    return outputs
