"""ONNX Runtime as the oracle: what an ONNX model computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import onnx
import onnxruntime

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError, first_line


@contextmanager
def _named() -> Iterator[None]:
    """An error of ONNX Runtime's, whose exceptions have no base of their own, as one of ours."""
    try:
        yield
    except Exception as error:
        raise ConfigError(f"ONNX Runtime can't run the ONNX model: {first_line(error)}") from error


class Session:
    """A model made ready to run many times, without ONNX Runtime's graph optimisations.

    Raises:
        ConfigError: ONNX Runtime can't run it, as it is or on what it is given.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        with _named():
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name for value in self._session.get_outputs()]

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for inputs in the model's own order."""
        fed = dict(zip(self._inputs, inputs, strict=True))
        with _named():
            outputs: list[Array] = self._session.run(None, fed)
        return outputs

    def named(self, inputs: Sequence[Array]) -> dict[str, Array]:
        """The same by name, and the inputs with them."""
        return dict(zip((*self._inputs, *self._outputs), (*inputs, *self.run(inputs)), strict=True))


def run_onnx(model: onnx.ModelProto, inputs: Sequence[Array]) -> list[Array]:
    """The outputs of ``model`` for inputs in its own order, without ONNX Runtime's graph optimisations.

    Raises:
        ConfigError: ONNX Runtime can't run it.
    """
    return Session(model).run(inputs)
