"""PRelu's slopes in all spellings."""

from __future__ import annotations

import numpy as np
import pytest

from tests.onnx.normalise.models import normalised, parsed

SLOPES = np.array([0.1, 0.2, 0.3], np.float32)


def test_a_vector_of_slopes_is_read_per_channel_and_named() -> None:
    result = normalised(parsed("y = PRelu(x, a)", weights={"a": SLOPES}))
    shapes = {tuple(tensor.dims) for tensor in result.model.graph.initializer}
    assert (3, 1, 1) in shapes
    assert "PRelu 'y' has its slopes as a vector" in result.notes[0]


@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 3, 1, 1), (1,)])
def test_slopes_that_fit_stay(shape: tuple[int, ...]) -> None:
    model = parsed("y = PRelu(x, a)", weights={"a": np.resize(SLOPES, shape)})
    assert normalised(model).notes == ()


def test_where_the_last_axis_has_as_many_places_the_file_is_taken_at_its_word() -> None:
    model = parsed("y = PRelu(x, a)", "float[1, 3, 8, 3] x", weights={"a": SLOPES})
    assert normalised(model).notes == ()


def test_one_that_does_not_fit_tells_how_the_others_are_meant() -> None:
    body = "a = PRelu(x, s) p = MaxPool<kernel_shape=[1, 2]>(a) y = PRelu(p, s)"
    result = normalised(parsed(body, "float[1, 3, 8, 3] x", weights={"s": SLOPES}))
    assert "PRelu 'a' and 1 more has its slopes as a vector" in result.notes[0]
