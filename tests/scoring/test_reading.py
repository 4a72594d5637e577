"""Batches as users give them: arrays, loaders that draw, loaders that fail."""

import numpy as np
import pytest
import torch

from rdpass.core.errors import DivergedError
from rdpass.scoring.reading import read_batches


class Drawing:
    def __iter__(self):
        yield torch.randn(2)
        yield np.random.rand(2), np.arange(2)


def test_what_a_loader_draws_is_the_same_each_time_and_nothing_is_drawn_outside():
    before = torch.get_rng_state()
    (first, (a, labels)), (second, (b, _)) = (list(read_batches(Drawing(), "test")) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(a, b)
    assert labels.tolist() == [0, 1]
    assert torch.equal(torch.get_rng_state(), before)


def test_an_array_is_one_batch():
    (batch,) = read_batches(np.zeros((3, 2), np.float32), "test")
    assert batch.shape == (3, 2)


def test_a_failure_names_the_data_and_the_batch():
    def failing():
        yield torch.zeros(1)
        raise OSError("unplugged")

    with pytest.raises(DivergedError, match="the test loader failed at batch 1: OSError: unplugged"):
        list(read_batches(failing(), "test"))
