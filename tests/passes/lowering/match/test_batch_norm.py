"""A batch norm as scale and shift: of constant statistics alone, in double precision."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from tvm import relax

from rdpass.passes.lowering.match.batch_norm import affine_of

CHANNELS = 5
RANDOM = np.random.default_rng(0)
GAMMA, BETA, MEAN = (RANDOM.standard_normal(CHANNELS).astype(np.float32) for _ in range(3))
VARIANCE = RANDOM.uniform(0.5, 2, CHANNELS).astype(np.float32)


def norm(*shape: int, variance: Any = VARIANCE, **attributes: Any) -> Any:
    """The call; ``variance`` may be a variable."""
    rows = [value if isinstance(value, relax.Var) else relax.const(value) for value in (GAMMA, BETA, MEAN, variance)]
    given = {"axis": 1, "epsilon": 1e-3, "training": False, **attributes}
    return relax.op.nn.batch_norm(relax.Var("x", relax.TensorType(shape, "float32")), *rows, **given)


@pytest.mark.parametrize("shape", [(1, CHANNELS, 7, 9), (3, CHANNELS, 11), (2, CHANNELS)])
def test_scale_and_shift_give_the_normalised_value_whatever_the_map(shape: tuple[int, ...]) -> None:
    scale, shift = affine_of(norm(*shape)) or (None, None)
    assert scale is not None
    assert shift is not None
    assert scale.dtype == shift.dtype == np.float64
    x = RANDOM.standard_normal(shape)
    across = (1, CHANNELS, *[1] * (len(shape) - 2))
    gamma, beta, mean, variance = (row.astype(np.float64).reshape(across) for row in (GAMMA, BETA, MEAN, VARIANCE))
    wanted = gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta
    assert np.allclose(x * scale.reshape(across) + shift.reshape(across), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("epsilon", [1e-5, 0.5])
def test_epsilon_is_the_norms_own(epsilon: float) -> None:
    scale, _ = affine_of(norm(1, CHANNELS, 3, 3, epsilon=epsilon)) or (None, None)
    assert scale == pytest.approx(GAMMA / np.sqrt(VARIANCE.astype(np.float64) + epsilon), rel=1e-12)


def test_a_variance_that_gives_no_number_is_told_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = affine_of(norm(1, CHANNELS, 3, 3, variance=np.array([1, 0, 1, -1, 1], np.float32), epsilon=0.0))
    assert found is not None
    assert np.isfinite(found[0]).tolist() == [True, False, True, False, True]


def test_no_other_call_and_no_norm_of_other_statistics_or_another_axis_is_one() -> None:
    x = relax.Var("x", relax.TensorType((1, CHANNELS, 3, CHANNELS), "float32"))
    given = relax.Var("variance", relax.TensorType((CHANNELS,), "float32"))
    assert affine_of(relax.op.nn.relu(x)) is None
    assert affine_of(x) is None
    assert affine_of(norm(1, CHANNELS, 3, 3, variance=given)) is None
    assert affine_of(norm(1, CHANNELS, 3, 3, training=True)) is None
    assert affine_of(norm(1, CHANNELS, 3, CHANNELS, axis=3)) is None
