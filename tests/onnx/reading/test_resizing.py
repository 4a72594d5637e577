"""Resize in all its modes, as ONNX Runtime computes it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.onnx.reading.read import layers, read

COORDINATES = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"]
SIZES = [(16, 18), (5, 4), (11, 7), (1, 3)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("way", COORDINATES)
def test_sizes(way: str, mode: str, size: tuple[int, int]) -> None:
    node = f'Resize<mode="{mode}", coordinate_transformation_mode="{way}">(x, , , s)'
    read(f"y = {node}", opset=19, s=np.array([2, 6, *size]), tolerance=1e-4)


@pytest.mark.parametrize("scales", [(2, 2), (1.5, 0.7), (0.6, 0.6), (3, 1)])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("way", ["half_pixel", "asymmetric"])
def test_scales(way: str, mode: str, scales: tuple[float, float]) -> None:
    node = f'Resize<mode="{mode}", coordinate_transformation_mode="{way}">(x, , s)'
    read(f"y = {node}", s=np.float32([1, 1, *scales]), tolerance=1e-4)


@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize("way", COORDINATES[:3])
def test_roundings(way: str, rounding: str) -> None:
    node = f'Resize<nearest_mode="{rounding}", coordinate_transformation_mode="{way}">(x, , , s)'
    read(f"y = {node}", s=np.array([2, 6, 13, 5]))


@pytest.mark.parametrize(
    ("attributes", "layer"),
    [('mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"', "Upsample"),
     ('mode="linear"', "Upsample"), ('mode="cubic"', "Upsample"),
     ('mode="linear", coordinate_transformation_mode="align_corners"', "Upsample")],
)  # fmt: skip
def test_what_torch_has_is_its_module(attributes: str, layer: str) -> None:
    assert layers(read(f"y = Resize<{attributes}>(x, , , s)", s=np.array([2, 6, 16, 18]), tolerance=1e-4)) == [layer]


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_with_a_wider_kernel_where_it_shrinks(mode: str) -> None:
    read(f'y = Resize<mode="{mode}", antialias=1>(x, , , s)', s=np.array([2, 6, 4, 5]), tolerance=1e-4)


def test_a_region_of_the_map() -> None:
    node = 'Resize<mode="linear", coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=7.0>'
    read(f"y = {node}(x, r, , s)", r=np.float32([0, 0, 0.2, -0.3, 1, 1, 0.9, 1.2]), s=np.array([2, 6, 5, 5]),
         tolerance=1e-4)  # fmt: skip


def test_early_opsets() -> None:
    read('y = Upsample<mode="nearest">(x, s)', opset=9, s=np.float32([1, 1, 2, 3]))
    read('y = Resize<mode="linear">(x, s)', opset=10, s=np.float32([1, 1, 2, 3]), tolerance=1e-4)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grids(mode: str, padding: str) -> None:
    body = f'y = GridSample<mode="{mode}", padding_mode="{padding}">(x, g)'
    read(body, "float[1, 2, 5, 6] x, float[1, 4, 4, 2] g", tolerance=1e-4)
