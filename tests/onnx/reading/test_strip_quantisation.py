"""Quantised networks as the float32 ones that they came from."""

from __future__ import annotations

import numpy as np
import pytest

from rdpass.core.errors import ConfigError
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.reading.strip_quantisation import strip_quantisation
from tests.onnx.normalise.models import numbers, parsed

SCALES = np.float32([0.01, 0.02, 0.03, 0.04])
INTEGERS = np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
WEIGHTS = {"w": INTEGERS, "s": SCALES, "z": np.zeros(4, np.int8), "t": np.float32(0.05), "u": np.uint8(128)}
QDQ = """q = QuantizeLinear(x, t, u) d = DequantizeLinear(q, t, u) v = DequantizeLinear<axis=0>(w, s, z)
    y = Conv(d, v)"""


def test_pairs_go_and_weights_are_computed() -> None:
    stripped = strip_quantisation(parsed(QDQ, weights=WEIGHTS), "net")
    assert [node.op_type for node in stripped.graph.node] == ["Conv"]
    x = numbers(1, 3, 8, 8)
    plain = parsed("y = Conv(x, w)", weights={"w": INTEGERS * SCALES.reshape(4, 1, 1, 1)})
    assert np.allclose(run_onnx(stripped, [x])[0], run_onnx(plain, [x])[0], atol=1e-5)


def test_what_moves_integers_moves_the_numbers_they_mean() -> None:
    body = """q = QuantizeLinear(x, t, u) m = MaxPool<kernel_shape=[2, 2]>(q) d = DequantizeLinear(m, t, u)
        e = DequantizeLinear(m, t, u) y = Add(d, e)"""
    stripped = strip_quantisation(parsed(body, weights=WEIGHTS), "net")
    assert [node.op_type for node in stripped.graph.node] == ["MaxPool", "Add"]


def test_integers_at_an_end_are_refused() -> None:
    model = parsed("y = QuantizeLinear(x, t, u)", outputs="uint8[] y", weights=WEIGHTS)
    with pytest.raises(ConfigError, match="is a QuantizeLinear that is no half of a pair"):
        strip_quantisation(model, "net")
    model = parsed("d = DequantizeLinear(x, t) y = Relu(d)", "uint8[3] x", weights={"t": np.float32(0.1)})
    with pytest.raises(ConfigError, match="the input 'x' gives integers that no QuantizeLinear made"):
        strip_quantisation(model, "net")
