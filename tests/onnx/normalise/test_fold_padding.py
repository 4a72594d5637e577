"""Pads before convolutions and pools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.onnx.normalise.models import attributes, normalised, numbers, operators, parsed

UNEVEN = np.array([0, 0, 0, 1, 0, 0, 2, 1])
W = numbers(4, 3, 3, 3)


def _after(body: str, pads: Any = UNEVEN, **weights: Any) -> Any:
    return normalised(parsed(body, weights={"p": np.asarray(pads), "w": W, **weights}))


@pytest.mark.parametrize("value", ["", ", zero"])
def test_zeros_before_a_convolution_are_its_own_padding(value: str) -> None:
    result = _after(f"q = Pad(x, p{value}) y = Conv<pads=[1, 1, 1, 1]>(q, w)", zero=np.float32(0))
    assert operators(result) == ["Conv"]
    assert attributes(result, "Conv")["pads"] == [1, 2, 3, 2]


def test_pads_of_early_opsets_and_of_axes_are_folded_too() -> None:
    old = parsed("q = Pad<pads=[0, 0, 1, 1, 0, 0, 1, 1]>(x) y = Conv(q, w)", opset=10, weights={"w": W})
    assert operators(normalised(old)) == ["Conv"]
    axes = _after("q = Pad(x, p, zero, a) y = Conv(q, w)", [1, 0, 1, 2], zero=np.float32(0), a=np.array([-1, 2]))
    assert attributes(axes, "Conv")["pads"] == [0, 1, 2, 1]


def test_two_convolutions_of_one_pad_have_it_each() -> None:
    result = _after("q = Pad(x, p) a = Conv(q, w) b = Conv(q, w) y = Add(a, b)")
    assert "Pad" not in operators(result)


@pytest.mark.parametrize(
    ("body", "folds"),
    [
        ("q = Pad(x, p) y = AveragePool<kernel_shape=[3, 3]>(q)", True),
        ("q = Pad(x, p) y = AveragePool<kernel_shape=[3, 3], pads=[1, 1, 0, 0], count_include_pad=1>(q)", True),
        ("q = Pad(x, p) y = AveragePool<kernel_shape=[3, 3], pads=[1, 1, 0, 0]>(q)", False),
        ("q = Pad(x, p) y = AveragePool<kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1>(q)", False),
        ("q = Pad(x, p) y = AveragePool<kernel_shape=[2, 2]>(q)", False),
        ("r = Relu(x) q = Pad(r, p) y = MaxPool<kernel_shape=[3, 3]>(q)", True),
        ("q = Pad(x, p) y = MaxPool<kernel_shape=[3, 3]>(q)", False),
        ("q = Pad(x, p, low) y = MaxPool<kernel_shape=[3, 3]>(q)", True),
        ("r = Relu(x) q = Pad(r, p, one) y = MaxPool<kernel_shape=[3, 3]>(q)", False),
        ("q = Pad(x, p, one) y = Conv(q, w)", False),
        ('q = Pad<mode="reflect">(x, p) y = Conv(q, w)', False),
        ("q = Pad(x, channels) y = Conv(q, wide)", False),
        ("q = Pad(x, cut) y = Conv(q, w)", False),
    ],
)
def test_what_is_folded_and_what_is_not(body: str, folds: bool) -> None:
    result = _after(
        body, one=np.float32(1), low=np.float32(-np.inf), wide=numbers(4, 4, 3, 3),
        channels=np.array([0, 1, 0, 0, 0, 0, 0, 0]), cut=np.array([0, 0, -1, 0, 0, 0, 0, 0]),
    )  # fmt: skip
    assert ("Pad" not in operators(result)) == folds
