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


CLIPPED = """c = Conv(x, k) q = QuantizeLinear(c, t, u) d = DequantizeLinear(q, t, u) e = DequantizeLinear(q, t, u)
    m = MaxPool<kernel_shape=[2, 2]>(d) n = MaxPool<kernel_shape=[2, 2]>(e) y = Add(m, n)"""


@pytest.mark.parametrize(("scale", "operator"), [(0.05, "Relu"), (6 / 255, "Clip")])
@pytest.mark.parametrize("zero", [np.uint8(0), np.int8(-128)])
def test_an_activation_that_integers_from_zero_on_stand_in_for_is_put_back(scale, operator, zero) -> None:
    size = 0.3 if operator == "Relu" else 2  # sums below the last integer, or far beyond
    weights = {"k": size * numbers(4, 3, 3, 3), "t": np.float32(scale), "u": zero}
    model = parsed(CLIPPED, weights=weights)
    stripped = strip_quantisation(model, "net")
    assert [node.op_type for node in stripped.graph.node] == ["Conv", operator, "MaxPool", "MaxPool", "Add"]
    x = numbers(1, 3, 8, 8)
    assert np.abs(run_onnx(stripped, [x])[0] - run_onnx(model, [x])[0]).max() <= 1.01 * scale


def test_an_activation_that_is_there_and_one_that_integers_below_zero_deny_are_not_put_back() -> None:
    weights = {"k": numbers(4, 3, 3, 3), "t": np.float32(0.05), "u": np.uint8(0)}
    with_relu = CLIPPED.replace("c = Conv(x, k)", "b = Conv(x, k) c = Relu(b)")
    stripped = strip_quantisation(parsed(with_relu, weights=weights), "net")
    assert [node.op_type for node in stripped.graph.node].count("Relu") == 1
    stripped = strip_quantisation(parsed(CLIPPED, weights=weights | {"u": np.uint8(9)}), "net")
    assert "Relu" not in [node.op_type for node in stripped.graph.node]


def test_what_is_quantised_as_it_runs_computes_with_floats() -> None:
    body = """q, s, z = DynamicQuantizeLinear(x) d = DequantizeLinear(q, one, z) v = DequantizeLinear(w, one)
        c = Conv(d, v) i = Cast<to=6>(c) f = Cast<to=1>(i) t = Mul(s, u) y = Mul(f, t)"""
    weights = {"w": INTEGERS, "one": np.float32(1), "u": np.float32(0.01)}
    model = parsed(body, weights=weights)
    stripped = strip_quantisation(model, "net")
    assert [node.op_type for node in stripped.graph.node] == ["Conv", "Mul"]
    x = numbers(1, 3, 8, 8)
    plain = parsed("y = Conv(x, w)", weights={"w": INTEGERS * np.float32(0.01)})
    assert np.allclose(run_onnx(stripped, [x])[0], run_onnx(plain, [x])[0], atol=1e-4)
