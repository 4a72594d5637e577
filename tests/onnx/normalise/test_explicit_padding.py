"""``auto_pad`` in all its forms becomes pads."""

from __future__ import annotations

import pytest

from tests.onnx.normalise.models import attributes, normalised, numbers, parsed


@pytest.mark.parametrize("size", [7, 8, 9])
@pytest.mark.parametrize("way", ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_convolutions(size: int, way: str, stride: int) -> None:
    body = f'y = Conv<auto_pad="{way}", strides=[{stride}, {stride}]>(x, w)'
    result = normalised(parsed(body, f"float[1, 3, {size}, {size + 1}] x", weights={"w": numbers(4, 3, 3, 2)}))
    found = attributes(result, "Conv")
    assert "auto_pad" not in found or way == "NOTSET"
    assert sum(found.get("pads", [0])) == (0 if way in ("VALID", "NOTSET") else sum(found["pads"]))


@pytest.mark.parametrize("way", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool", "LpPool"])
def test_pools(way: str, pool: str) -> None:
    body = f'y = {pool}<auto_pad="{way}", kernel_shape=[3, 2], strides=[2, 2]>(x)'
    assert "auto_pad" not in attributes(normalised(parsed(body)), pool)


@pytest.mark.parametrize(
    "given",
    ['auto_pad="SAME_UPPER"', 'auto_pad="SAME_LOWER"', 'auto_pad="VALID"', "output_shape=[17, 16]",
     'output_shape=[15, 16], auto_pad="SAME_UPPER"', "output_padding=[1, 0], pads=[1, 0, 0, 1]"],
)  # fmt: skip
def test_transposed_convolutions(given: str) -> None:
    result = normalised(parsed(f"y = ConvTranspose<strides=[2, 2], {given}>(x, w)", weights={"w": numbers(3, 4, 3, 3)}))
    assert not {"auto_pad", "output_shape"} & attributes(result, "ConvTranspose").keys()
