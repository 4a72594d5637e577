"""Networks in channels-last: no layout changes inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.onnx.normalise.models import normalised, numbers, operators, parsed

LAST, FIRST = "Transpose<perm=[0, 2, 3, 1]>", "Transpose<perm=[0, 3, 1, 2]>"
W = {
    "w": numbers(6, 3, 3, 3),
    "v": numbers(6, 6, 1, 1),
    "c": numbers(6),
    "k": numbers(6, 5),
    "s": np.array([1, 1, 1, 6]),
}


def _between(body: str, **weights: Any) -> list[str]:
    """The operators between two convolutions, where ``body`` makes ``z`` of ``h`` (1, 6, 6, 6 in channels-last)."""
    whole = f"a = Conv(x, w) h = {LAST}(a) {body} t = {FIRST}(z) y = Conv(t, v)"
    found = operators(normalised(parsed(whole, weights={**W, **weights})))
    assert (found[0], found[-1]) == ("Conv", "Conv")
    return found[1:-1]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("z = Relu(h)", ["Relu"]),
        ("z = Mul(h, c)", ["Mul"]),
        ("z = Add(h, one)", ["Add"]),
        ("b = Relu(h) z = Add(b, h)", ["Relu", "Add"]),
        ("z = PRelu(h, c)", ["PRelu"]),
        ("z = Softmax<axis=-1>(h)", ["Softmax"]),
        ("m = ReduceMean<keepdims=1>(h, axes) z = Mul(h, m)", ["ReduceMean", "Mul"]),
        ("m = ReduceMax<keepdims=0>(h, axes) n = Reshape(m, s) z = Mul(n, h)", ["ReduceMax", "Reshape", "Mul"]),
        ("z = Pad(h, pads)", []),
        ("z = Slice(h, one64, five, minus)", ["Slice", "Concat"]),
        ("p, q = Split<axis=3, num_outputs=2>(h) z = Concat<axis=-1>(q, p)", ["Split", "Concat"]),
        ('z = Resize<mode="linear">(h, , scales)', ["Resize"]),
        ("z = Clip(h, one, )", ["Clip"]),
    ],
)
def test_nodes_read_the_maps_as_convolutions_leave_them(body: str, left: list[str]) -> None:
    if "Slice" in body:
        body, left = "g = Slice(h, one64, five, minus) z = Concat<axis=3>(g, first)", ["Slice", "Concat"]
    found = _between(
        body, one=np.float32(1), axes=np.array([1, 2]), pads=np.array([0, 1, 2, 0, 0, 0, 1, 0]), one64=np.array([1]),
        five=np.array([6]), minus=np.array([-1]), first=numbers(1, 6, 6, 1), scales=np.float32([1, 2, 2, 1]),
    )  # fmt: skip
    assert found == left


def test_a_product_over_channels_is_a_convolution_of_one_by_one() -> None:
    assert _between("d = MatMul(h, k) e = Relu(d) z = MatMul(e, l)", l=numbers(5, 6)) == ["Conv", "Relu", "Conv"]


@pytest.mark.parametrize("dense", ["y = MatMul(f, d)", "y = Gemm(f, d)", "y = Gemm<transB=1>(f, e)"])
@pytest.mark.parametrize("flat", ["Reshape(h, flat)", "Flatten(h)"])
def test_a_flattened_map_is_read_in_its_own_order(flat: str, dense: str) -> None:
    d = numbers(216, 4)
    weights = {**W, "d": d, "e": np.ascontiguousarray(d.T), "flat": np.array([-1, 216])}
    found = operators(normalised(parsed(f"a = Conv(x, w) h = {LAST}(a) f = {flat} {dense}", weights=weights)))
    assert "Transpose" not in found


def test_the_mean_that_drops_the_pixels_needs_no_transpose() -> None:
    body = f"a = Conv(x, w) h = {LAST}(a) y = ReduceMean<keepdims=0>(h, axes)"
    assert operators(normalised(parsed(body, weights={**W, "axes": np.array([1, 2])}))) == ["Conv", "ReduceMean"]


def test_what_is_given_in_channels_last_stays_so_at_the_ends_alone() -> None:
    body = f"t = {FIRST}(x) a = Conv(t, w) h = {LAST}(a) y = Relu(h)"
    found = operators(normalised(parsed(body, "float[1, 8, 8, 3] x", weights=W)))
    assert found == ["Transpose", "Conv", "Relu", "Transpose"]


def test_a_transpose_that_is_an_output_and_read_again_stays_right() -> None:
    body = f"a = Conv(x, w) h = {LAST}(a) y = Relu(h) z = Add(h, c)"
    result = normalised(parsed(body, outputs="float[] y, float[] z, float[] h", weights=W))
    assert [value.name for value in result.model.graph.output] == ["y", "z", "h"]


def test_a_map_in_another_order_beside_it_keeps_its_transpose() -> None:
    body = f"a = Conv(x, w) h = {LAST}(a) y = Add(h, o)"
    normalised(parsed(body, "float[1, 3, 8, 8] x, float[1, 6, 6, 6] o", weights=W))
