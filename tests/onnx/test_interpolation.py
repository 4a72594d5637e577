"""Resizing along an axis as a matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdpass.onnx.interpolation import Resampling, linear_mixtures, looks_outside, matrix_of
from rdpass.onnx.oracle import run_onnx
from tests.onnx.nets import Net

WAYS = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"]


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("antialias", [False, True])
def test_weights_sum_to_one(mode: str, way: str, antialias: bool) -> None:
    for before, after in ((7, 12), (7, 3), (5, 5), (4, 1)):
        matrix = matrix_of(Resampling(mode, way, antialias=antialias), before, after, after / before)
        assert matrix.shape == (after, before)
        assert np.allclose(matrix.sum(1), 1)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_the_same_size_changes_nothing(mode: str) -> None:
    assert np.allclose(matrix_of(Resampling(mode), 6, 6, 1.0), np.eye(6))


def test_linear_weights_of_a_ramp_are_a_ramp_between_the_corners() -> None:
    matrix = matrix_of(Resampling("linear", "align_corners"), 5, 9, 9 / 5)
    assert np.allclose(matrix @ np.arange(5), np.arange(9) / 2)


def test_outside_of_a_region() -> None:
    how = Resampling("linear", "tf_crop_and_resize")
    outside = looks_outside(how, 4, 4, 1.0, (-0.5, 1.0))
    assert outside.tolist() == [True, False, False, False]
    assert not matrix_of(how, 4, 4, 1.0, (-0.5, 1.0))[0].any()
    assert not looks_outside(Resampling("linear"), 4, 4, 1.0, (0, 1)).any()


@given(
    st.integers(1, 9),
    st.integers(1, 19),
    st.sampled_from(WAYS[:-1]),
)
def test_linear_mixtures_are_onnxruntimes_and_of_whole_parts(given_: int, wanted: int, mode: str) -> None:
    net = Net((2, 3, given_, 4))
    sizes = net.constant(np.array([2, 3, wanted, 6], np.int64))
    resized = net.node("Resize", "x0", "", "", sizes, mode="linear", coordinate_transformation_mode=mode)
    x = np.round(9 * net.example()[0])
    mixed = linear_mixtures(x, (wanted, 6), mode)
    if mixed is None:
        assert wanted == 1
        return
    total, parts = mixed
    (expected,) = run_onnx(net.model(resized), [x])
    assert (total == np.rint(total)).all()
    np.testing.assert_allclose(total / parts, expected, atol=1e-4)


def test_places_that_do_not_follow_from_sizes_are_left_alone() -> None:
    assert linear_mixtures(np.zeros((1, 1, 4, 4)), (2, 2), "tf_crop_and_resize") is None
