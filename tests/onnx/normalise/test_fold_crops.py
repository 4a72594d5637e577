"""What a Slice cuts off a convolution's map is not computed, where the convolution pads as much."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.onnx.normalise.models import attributes, normalised, numbers, operators, parsed

LINE = "float[1, 3, 20] x"
W = {"w": numbers(4, 3, 3), "b": numbers(4), "t": numbers(3, 4, 4), "flat": numbers(4, 3, 3, 3)}


def _made(body: str, inputs: str = LINE, **weights: Any) -> Any:
    return normalised(parsed(body, inputs, weights={**W, **weights}))


def _slice(start: int, stop: int, source: str = "a", result: str = "y") -> tuple[str, dict[str, Any]]:
    return f"{result} = Slice({source}, from, to, last)", {
        "from": np.array([start]), "to": np.array([stop]), "last": np.array([-1])
    }  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "cut", "pads"),
    [
        ("Conv<pads=[4, 4], dilations=[2]>(x, w, b)", (0, -4), [4, 0]),
        ("Conv<pads=[2, 2]>(x, w)", (1, 2**31), [1, 2]),
        ("Conv<pads=[4, 5], strides=[2]>(x, w)", (1, -2), [2, 1]),
        ('Conv<auto_pad="SAME_UPPER">(x, w)', (0, -1), [1, 0]),
        ("ConvTranspose<strides=[2]>(x, t)", (0, -2), [0, 2]),
        ("ConvTranspose<strides=[2], pads=[1, 0], output_padding=[1]>(x, t)", (1, -3), [2, 3]),
    ],
)
def test_a_cut_is_less_padding(layer: str, cut: tuple[int, int], pads: list[int]) -> None:
    node, weights = _slice(*cut)
    found = _made(f"a = {layer} {node}", **weights)
    assert operators(found) == [layer[: layer.find("<")]]
    assert attributes(found, operators(found)[0])["pads"] == pads


def test_rows_and_columns_are_cut_at_once() -> None:
    found = _made(
        "a = Conv<pads=[2, 2, 2, 2]>(x, flat) y = Slice(a, one, ends, axes)", "float[1, 3, 7, 9] x",
        one=np.array([1, 0]), ends=np.array([-2, -1]), axes=np.array([2, 3]),
    )  # fmt: skip
    assert attributes(found, "Conv")["pads"] == [1, 2, 0, 1]


def test_what_works_on_each_number_may_stand_between() -> None:
    node, weights = _slice(0, -2, source="h")
    body = f"a = Conv<pads=[2, 2]>(x, w) n = BatchNormalization(a, s, b, b, s) g = Sigmoid(n) h = Gelu(g) {node}"
    found = normalised(parsed(body, LINE, opset=20, weights={**W, **weights, "s": abs(W["b"])}))
    assert operators(found) == ["Conv", "BatchNormalization", "Sigmoid", "Gelu"]
    assert attributes(found, "Conv")["pads"] == [2, 0]


def test_a_quantised_map_is_cut_before_it_is_quantised() -> None:
    node, weights = _slice(0, -2, source="d")
    scale = {"scale": np.float32(0.1), "zero": np.uint8(128)}
    integers = "q = QuantizeLinear(a, scale, zero) d = DequantizeLinear(q, scale, zero)"
    found = _made(f"a = Conv<pads=[2, 2]>(x, w) {integers} {node}", **scale, **weights)
    assert operators(found) == ["Conv", "QuantizeLinear", "DequantizeLinear"]
    assert attributes(found, "Conv")["pads"] == [2, 0]


@pytest.mark.parametrize(
    "body",
    [
        "a = Conv<pads=[1, 1]>(x, w) y = Slice(a, from, to, last)",  # more than is padded
        "a = Conv<pads=[2, 2]>(x, w) c = Slice(a, from, to, last) d = Slice(a, to, far, last) y = Concat<axis=2>(c, d)",
        "a = Conv<pads=[2, 2]>(x, w) y = Slice(a, from, to, last, two)",  # every second one
        "a = Conv<pads=[2, 2]>(x, w) y = Slice(a, from, to, channels)",
        "a = Conv<pads=[2, 2]>(x, w) h = Softmax(a) y = Slice(h, from, to, last)",
        "a = Relu(x) y = Slice(a, from, to, last)",
    ],
)
def test_other_slices_stay(body: str) -> None:
    _, weights = _slice(0, -2)
    found = _made(body, **weights, two=np.array([2]), channels=np.array([1]), far=np.array([2**31]))
    assert "Slice" in operators(found)


def test_a_map_that_is_read_whole_as_well_is_computed_whole() -> None:
    node, weights = _slice(0, -2)
    model = parsed(f"a = Conv<pads=[2, 2]>(x, w) {node}", LINE, "float[] y, float[] a", weights={**W, **weights})
    assert operators(normalised(model)) == ["Conv", "Slice"]
