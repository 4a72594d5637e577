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


ENDS = {
    "both": ("d = DequantizeLinear(x, t, u) r = Relu(d) y = QuantizeLinear(r, t, u)", ["Relu"]),
    "read twice": (
        """d = DequantizeLinear(x, t, u) e = DequantizeLinear(x, t, u) a = Add(d, e) r = Tanh(a)
        y = QuantizeLinear(r, t, u)""", ["Add", "Tanh"],
    ),
    "moved": (
        """p = Transpose<perm=[0, 2, 3, 1]>(x) d = DequantizeLinear(p, t, u) r = Relu(d) q = QuantizeLinear(r, t, u)
        y = Transpose<perm=[0, 3, 1, 2]>(q)""", ["Transpose", "Relu", "Transpose"],
    ),
    "read inside too": (
        """d = DequantizeLinear(x, t, u) r = Relu(d) y = QuantizeLinear(r, t, u) e = DequantizeLinear(y, t, u)
        o = Tanh(e)""", ["Relu", "Tanh"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "left"), ENDS.values(), ids=ENDS)
def test_integers_at_the_ends_become_the_floats_that_they_stand_for(body, left) -> None:
    outputs = "uint8[] y" + (", float[] o" if "o = T" in body else "")
    model = parsed(body, "uint8[1, 2, 3, 4] x", outputs, weights=WEIGHTS)
    before = model.SerializeToString()
    stripped = strip_quantisation(model, "net")
    assert model.SerializeToString() == before
    assert sorted(node.op_type for node in stripped.graph.node) == sorted(left)
    assert {value.type.tensor_type.elem_type for value in (*stripped.graph.input, *stripped.graph.output)} == {1}
    integers = np.arange(24, dtype=np.uint8).reshape(1, 2, 3, 4) * 10
    floats = (integers.astype(np.float32) - 128) * np.float32(0.05)
    expected = run_onnx(model, [integers])
    found = run_onnx(stripped, [floats])
    assert np.abs(found[0] - (expected[0].astype(np.float32) - 128) * np.float32(0.05)).max() <= 0.026


def test_integers_that_stand_for_no_floats_are_refused() -> None:
    model = parsed("d = DequantizeLinear(x, t) i = Cast<to=1>(x) y = Add(d, i)", "uint8[3] x", weights=WEIGHTS)
    with pytest.raises(ConfigError, match="the input 'x' gives integers that no QuantizeLinear made"):
        strip_quantisation(model, "net")


@pytest.mark.parametrize(("zero", "low", "kept"), [(0, -7, []), (0, 0, ["Relu"]), (-3, -3, ["Relu"]), (-3, -8, [])])
def test_a_clip_of_integers_goes_and_leaves_a_relu_where_it_begins_at_zero(zero, low, kept) -> None:
    body = """c = Conv(x, k) q = QuantizeLinear(c, t, u) b = Clip(q, lo, hi) d = DequantizeLinear(b, t, u)
        y = MaxPool<kernel_shape=[2, 2]>(d)"""
    weights = {"k": 0.1 * numbers(4, 3, 3, 3), "t": np.float32(0.5), "u": np.int8(zero), "lo": np.int8(low),
               "hi": np.int8(7)}  # fmt: skip
    model = parsed(body, weights=weights)
    stripped = strip_quantisation(model, "net")
    assert [node.op_type for node in stripped.graph.node] == ["Conv", *kept, "MaxPool"]
    x = numbers(1, 3, 8, 8)
    assert np.abs(run_onnx(stripped, [x])[0] - run_onnx(model, [x])[0]).max() <= 0.26


def test_integers_from_zero_on_without_a_zero_point_stand_in_for_a_relu_too() -> None:
    body = "c = Conv(x, k) q = QuantizeLinear(c, t) d = DequantizeLinear(q, t) y = MaxPool<kernel_shape=[2, 2]>(d)"
    model = parsed(body, weights={"k": numbers(4, 3, 3, 3), "t": np.float32(0.05)})
    assert [node.op_type for node in strip_quantisation(model, "net").graph.node] == ["Conv", "Relu", "MaxPool"]


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
