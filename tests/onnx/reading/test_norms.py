"""Normalisations."""

from __future__ import annotations

import numpy as np
import pytest

from rdpass.core.errors import ConfigError
from tests.onnx.normalise.models import numbers
from tests.onnx.reading.read import layers, read

FOUR = {name: numbers(6, seed=i) for i, name in enumerate("abcd")} | {"d": np.abs(numbers(6)) + 0.5}


@pytest.mark.parametrize("sizes", ["", ", 8", ", 8, 8", ", 4, 4, 4"])
def test_batch_norm(sizes: str) -> None:
    module = read("y = BatchNormalization<epsilon=0.01>(x, a, b, c, d)", f"float[2, 6{sizes}] x", **FOUR)
    assert layers(module)[0].startswith("BatchNorm")


def test_batch_norm_in_training_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="in training mode; export the network in eval mode"):
        read("y, m, v = BatchNormalization<training_mode=1>(x, a, b, c, d)",
             outputs="float[] y, float[] m, float[] v", **FOUR)  # fmt: skip


@pytest.mark.parametrize("sizes", [", 8", ", 8, 8", ", 4, 4, 4"])
def test_instance_norm(sizes: str) -> None:
    read("y = InstanceNormalization(x, a, b)", f"float[2, 6{sizes}] x", **FOUR)


def test_group_norm() -> None:
    assert layers(
        read("y = GroupNormalization<num_groups=3>(x, a, b)", outputs="float[2, 6, 8, 9] y", opset=21, **FOUR)
    ) == ["GroupNorm"]


@pytest.mark.parametrize("axis", [-1, 2, 1])
@pytest.mark.parametrize("bias", ["", ", b"])
def test_layer_norm(axis: int, bias: str) -> None:
    shape = (6, 8, 9)[axis - 1 if axis > 0 else 2 :]
    module = read(f"y = LayerNormalization<axis={axis}>(x, a{bias})", a=numbers(*shape), b=numbers(*shape, seed=1))
    assert layers(module) == ["LayerNorm"]


def test_layer_norm_gives_its_mean_and_deviation_too() -> None:
    read("y, m, d = LayerNormalization(x, a, b)", outputs="float[] y, float[] m, float[] d", a=numbers(9), b=numbers(9))


def test_others() -> None:
    read("y = LRN<size=3, alpha=0.01>(x)")
    read("y = LpNormalization<axis=1, p=1>(x)")
    read("y = MeanVarianceNormalization<axes=[0, 2, 3]>(x)")
    with pytest.raises(ConfigError, match="its size 4 is even"):
        read("y = LRN<size=4>(x)")
