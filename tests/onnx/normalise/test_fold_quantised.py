"""Weights that the graph quantises become integers."""

import numpy as np
import pytest
from onnx.numpy_helper import to_array

from tests.onnx.normalise.models import normalised, numbers, operators, parsed

BODY = "q = QuantizeLinear<axis=0>(w, s, z) v = DequantizeLinear<axis=0>(q, s, z) y = Conv(x, v)"


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_they_are_rounded_half_to_even_and_saturate(several, kind):
    w, size = numbers(4, 3, 1, 1), (4,) if several else ()
    w[0, 0] = 99
    zero = 0 if kind == np.int8 else 120
    weights = {"w": w, "s": np.full(size, 1 / 64, np.float32), "z": np.full(size, zero, kind)}
    result = normalised(parsed(BODY, weights=weights))
    assert operators(result) == ["DequantizeLinear", "Conv"]
    stored = {tensor.name: to_array(tensor) for tensor in result.model.graph.initializer}
    integers = stored[result.model.graph.node[0].input[0]]
    assert integers.dtype == kind
    info = np.iinfo(kind)
    assert (integers == np.clip(np.rint(w * np.float32(64)) + zero, info.min, info.max)).all()


@pytest.mark.parametrize("bounds", [", lo, hi", ", lo", ", , hi"])
def test_a_clip_of_their_integers_is_computed(bounds):
    body = BODY.replace("DequantizeLinear<axis=0>(q", "DequantizeLinear<axis=0>(c").replace(
        "v =", f"c = Clip(q{bounds}) v ="
    )
    weights = {"w": numbers(4, 3, 1, 1), "s": np.float32(1 / 64), "z": np.int8(0), "lo": np.int8(-7), "hi": np.int8(7)}
    result = normalised(parsed(body, weights=weights))
    assert operators(result) == ["DequantizeLinear", "Conv"]
    stored = {tensor.name: to_array(tensor) for tensor in result.model.graph.initializer}
    integers = stored[result.model.graph.node[0].input[0]]
    assert integers.dtype == np.int8
    assert (integers.min() == -7) == ("lo" in bounds)
    assert (integers.max() == 7) == ("hi" in bounds)


TURNED = {
    "Transpose": ("Transpose<perm=[0, 3, 1, 2]>(v)", (4, 2, 2, 3), 0),
    "Transpose of the last axis": ("Transpose<perm=[3, 0, 1, 2]>(v)", (3, 2, 2, 4), 3),
    "Reshape of the first axis": ("Reshape(v, r)", (4, 12), 0),
    "Reshape behind ones": ("Reshape(v, r)", (1, 4, 12), 1),
}


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(("turn", "shape", "axis"), TURNED.values(), ids=TURNED)
def test_what_turns_dequantised_weights_turns_their_integers(turn, shape, axis, several):
    integers = np.random.default_rng(0).integers(-127, 128, shape).astype(np.int8)
    size = (shape[axis],) if several else ()
    scale = np.linspace(0.01, 0.02, shape[axis], dtype=np.float32) if several else np.float32(0.01)
    axes = f"<axis={axis}>" if several else ""
    weights = {"w": integers, "s": scale, "z": np.zeros(size, np.int8), "r": np.int64([4, 3, 2, 2])}
    body = f"v = DequantizeLinear{axes}(w, s, z) t = {turn} y = Conv(x, t)"
    result = normalised(parsed(body, weights=weights))
    assert operators(result) == ["DequantizeLinear", "Conv"]


def test_scales_that_a_reshape_leaves_no_axis_stay_before_it():
    weights = {"w": np.ones((4, 6, 2), np.int8), "s": np.ones(6, np.float32), "z": np.zeros(6, np.int8),
               "r": np.int64([4, 3, 2, 2])}  # fmt: skip
    body = "v = DequantizeLinear<axis=1>(w, s, z) t = Reshape(v, r) y = Conv(x, t)"
    assert "Reshape" in operators(normalised(parsed(body, weights=weights)))


def test_activations_are_left_alone():
    body = "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)"
    result = normalised(parsed(body, weights={"s": np.float32(0.1), "z": np.uint8(120)}))
    assert operators(result) == ["QuantizeLinear", "DequantizeLinear"]


def test_a_scale_that_is_computed_leaves_them_as_they_are():
    body = "m = ReduceMax<keepdims=0>(x) q = QuantizeLinear(w, m, z) v = DequantizeLinear(q, m, z) y = Conv(x, v)"
    result = normalised(parsed(body, weights={"w": numbers(4, 3, 1, 1), "z": np.int8(0)}))
    assert "QuantizeLinear" in operators(result)
