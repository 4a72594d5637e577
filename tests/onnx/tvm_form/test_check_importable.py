"""What is refused before TVM sees it."""

from __future__ import annotations

import pytest

from rdpass.core.errors import ConfigError
from tests.onnx.normalise.models import numbers
from tests.onnx.tvm_form.form import form


@pytest.mark.parametrize(
    ("body", "inputs", "outputs", "message"),
    [
        ("y = LSTM<hidden_size=5>(x, w, r)", "float[3, 2, 4] x", "float[] y", "is a LSTM, .*no recurrent layers"),
        ("y = Det(x)", "float[2, 3, 3] x", "float[] y", "is a Det, which can't be built: TVM does not know it"),
        ("y = MaxPool<kernel_shape=[2, 3], strides=[1, 2]>(x)", "float[1, 2, 6, 2] x", "float[] y",
         "window is larger than the map"),
        ("y = LpPool<kernel_shape=[7, 1], pads=[0, 0, 1, 0], strides=[2, 2]>(x)", "float[1, 2, 5, 2] x", "float[] y",
         "window is larger than the map"),
        ("y = MaxPool<kernel_shape=[3, 3], dilations=[1, 3], strides=[2, 2]>(x)", "float[1, 2, 6, 6] x", "float[] y",
         "window is larger than the map"),
        ("m, y = MaxPool<kernel_shape=[2, 2]>(x)", "float[1, 2, 6, 6] x", "int64[] y", "more than its first result"),
    ],
)  # fmt: skip
def test_the_node_and_the_reason_are_named(body: str, inputs: str, outputs: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        form(body, inputs, outputs, w=numbers(1, 20, 4), r=numbers(1, 20, 5))
