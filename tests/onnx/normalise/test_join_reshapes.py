"""Reshapes in a row."""

from __future__ import annotations

import numpy as np

from tests.onnx.normalise.models import normalised, operators, parsed


def test_two_are_one_and_the_first_stays_where_it_is_read() -> None:
    weights = {"s": np.array([3, 64]), "t": np.array([0, 8, -1])}
    assert operators(normalised(parsed("a = Reshape(x, s) y = Reshape(a, t)", weights=weights))) == ["Reshape"]
    both = parsed("a = Reshape(x, s) y = Reshape(a, t) z = Relu(a)", outputs="float[] y, float[] z", weights=weights)
    assert operators(normalised(both)).count("Reshape") == 2
