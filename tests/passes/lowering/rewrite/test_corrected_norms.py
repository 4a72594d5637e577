"""Norms of maps that hardly vary: the mean's rounding is not what is left of them."""

from __future__ import annotations

import numpy as np
import pytest

from rdpass.core.comparison import Array
from rdpass.deploy.lowering import build, import_onnx, run_here
from rdpass.onnx.double_oracle import run_in_double
from rdpass.onnx.source import read_onnx
from rdpass.targets.lookup import host_target
from tests.onnx.normalise.models import numbers, parsed

SHAPE = (2, 8, 9, 11)
NORMS = {
    "LayerNormalization<axis=-1>(x, s11, b11)": 18,
    "LayerNormalization<axis=2>(x, s99)": 18,
    "GroupNormalization<num_groups=2>(x, s8, b8)": 21,
    "GroupNormalization<num_groups=8>(x, s8, b8)": 21,
}
WEIGHTS = {"s11": numbers(11), "b11": numbers(11), "s99": numbers(9, 11), "s8": numbers(8), "b8": numbers(8)}


def computed(norm: str, x: Array) -> tuple[Array, Array]:
    """By the library for this host, and in float64."""
    weights = {name: array for name, array in WEIGHTS.items() if f"{name}" in norm}
    shape = ", ".join(map(str, x.shape))
    model = parsed(f"y = {norm}", f"float[{shape}] x", f"float[{shape}] y", NORMS[norm], weights)
    (found,), (exact,) = run_here(build(import_onnx(read_onnx(model)), host_target()), [x]), run_in_double(model, [x])
    return found, exact


@pytest.mark.parametrize("norm", NORMS)
def test_maps_that_vary(norm: str) -> None:
    x = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32) * 3 + 20
    found, exact = computed(norm, x)
    assert np.abs(found - exact).max() < 2e-5 * np.abs(exact).max()


@pytest.mark.parametrize("norm", NORMS)
def test_equal_numbers_give_the_offset_alone(norm: str) -> None:
    found, exact = computed(norm, np.full(SHAPE, -3.3011257, np.float32))
    assert np.abs(found - exact).max() < 1e-5
