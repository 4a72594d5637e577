"""Pools, rounding up and padding unevenly."""

from __future__ import annotations

import pytest

from tests.onnx.reading.read import layers, read

FORMS = [
    "kernel_shape=[3, 2]",
    "kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]",
    "kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1]",
    "kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1",
    "kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1",
    "kernel_shape=[3, 3], strides=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1",
    'kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"',
]


@pytest.mark.parametrize("form", [*FORMS, "kernel_shape=[3, 3], dilations=[2, 2], pads=[1, 1, 1, 1]"])
def test_maximum(form: str) -> None:
    assert layers(read(f"y = MaxPool<{form}>(x)"))[-1] == "MaxPool2d"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("counts", [0, 1])
def test_average(form: str, counts: int) -> None:
    read(f"y = AveragePool<{form}, count_include_pad={counts}>(x)")


def test_a_plain_average_is_torchs_module() -> None:
    assert layers(read("y = AveragePool<kernel_shape=[2, 2], strides=[2, 2]>(x)")) == ["AvgPool2d"]


@pytest.mark.parametrize("counts", [0, 1])
def test_dilated_average(counts: int) -> None:
    form = f"kernel_shape=[2, 2], dilations=[2, 2], pads=[1, 1, 1, 1], count_include_pad={counts}"
    read(f"y = AveragePool<{form}>(x)", opset=19)


@pytest.mark.parametrize("form", FORMS[:3])
def test_norm(form: str) -> None:
    read(f"y = LpPool<{form}, p=3>(x)")


@pytest.mark.parametrize(
    ("operator", "layer"), [("GlobalAveragePool", "AdaptiveAvgPool"), ("GlobalMaxPool", "AdaptiveMaxPool")]
)
def test_whole_maps(operator: str, layer: str) -> None:
    for rank, sizes in enumerate(("8", "8, 7", "4, 3, 2"), start=1):
        assert layers(read(f"y = {operator}(x)", f"float[1, 3, {sizes}] x")) == [f"{layer}{rank}d"]
    read("y = GlobalLpPool<p=2>(x)")


@pytest.mark.parametrize("rank", [1, 3])
def test_other_ranks(rank: int) -> None:
    sizes = ", ".join(["7"] * rank)
    for operator in ("MaxPool", "AveragePool"):
        read(
            f"y = {operator}<kernel_shape={[3] * rank}, strides={[2] * rank}, ceil_mode=1>(x)",
            f"float[1, 3, {sizes}] x",
        )
