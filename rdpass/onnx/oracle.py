"""ONNX Runtime as the oracle: what an ONNX model computes."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import onnxruntime

from rdpass.core.comparison import Array


class Session:
    """A model made ready to run many times, without ONNX Runtime's graph optimisations."""

    def __init__(self, model: onnx.ModelProto) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name for value in self._session.get_outputs()]

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for inputs in the model's own order."""
        outputs: list[Array] = self._session.run(None, dict(zip(self._inputs, inputs, strict=True)))
        return outputs

    def named(self, inputs: Sequence[Array]) -> dict[str, Array]:
        """The same by name, and the inputs with them."""
        return dict(zip((*self._inputs, *self._outputs), (*inputs, *self.run(inputs)), strict=True))


def run_onnx(model: onnx.ModelProto, inputs: Sequence[Array]) -> list[Array]:
    """The outputs of ``model`` for inputs in its own order, without ONNX Runtime's graph optimisations."""
    return Session(model).run(inputs)
