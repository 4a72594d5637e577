"""What depends on no input is computed beforehand; what is quantised stays."""

from __future__ import annotations

import numpy as np

from rdpass.core.input_size import parse_sizes
from tests.onnx.normalise.models import normalised, numbers, operators, parsed


def test_shapes_of_pinned_inputs_are_constants() -> None:
    body = (
        "s = Shape(x) n = Gather(s, zero) u = Unsqueeze(n, axis) t = Concat<axis=0>(u, rest) f = Reshape(x, t)"
        " y = Relu(f)"
    )
    model = parsed(body, "float[N, 3, H, W] x", weights={
        "zero": np.int64(0), "axis": np.array([0]), "rest": np.array([-1]),
    })  # fmt: skip
    assert operators(normalised(model, sizes=parse_sizes("2x3x4x5"))) == ["Reshape", "Relu"]


def test_weights_in_constant_nodes_and_their_arithmetic_are_initialisers() -> None:
    body = "a = Constant<value = float[1] {2.0}>() b = Mul(w, a) c = Sqrt(k) y = Conv(x, b, c)"
    result = normalised(parsed(body, weights={"w": numbers(4, 3, 3, 3), "k": np.abs(numbers(4))}))
    assert operators(result) == ["Conv"]


def test_a_branch_on_a_constant_condition_is_the_network() -> None:
    body = """
        c = Constant<value = bool {1}>()
        y = If (c) <then_branch = t () => (float[] p) { p = Relu(x) }, else_branch = e () => (float[] q) { q = Neg(x) }>
    """
    assert operators(normalised(parsed(body))) == ["Relu"]


def test_quantised_weights_stay_behind_their_node() -> None:
    body = "d = DequantizeLinear(w, s, z) y = Conv(x, d)"
    weights = {"w": np.ones((4, 3, 3, 3), np.int8), "s": np.float32(0.1), "z": np.int8(0)}
    assert operators(normalised(parsed(body, weights=weights))) == ["DequantizeLinear", "Conv"]
