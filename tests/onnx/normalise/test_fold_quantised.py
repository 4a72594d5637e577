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


def test_activations_are_left_alone():
    body = "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)"
    result = normalised(parsed(body, weights={"s": np.float32(0.1), "z": np.uint8(120)}))
    assert operators(result) == ["QuantizeLinear", "DequantizeLinear"]


def test_a_scale_that_is_computed_leaves_them_as_they_are():
    body = "m = ReduceMax<keepdims=0>(x) q = QuantizeLinear(w, m, z) v = DequantizeLinear(q, m, z) y = Conv(x, v)"
    result = normalised(parsed(body, weights={"w": numbers(4, 3, 1, 1), "z": np.int8(0)}))
    assert "QuantizeLinear" in operators(result)
