"""Extents and operations of poolings."""

import pytest
import torch
from torch.nn import functional as F

from rdpass.kernels.workload import Pooling


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [((11, 8), (3, 2), (2, 1), (1, 1)), ((7, 7), (7, 7), (1, 1), (0, 0)), ((5, 1), (2, 1), (3, 3), (0, 0))],
)
def test_extents_are_those_of_torch(size, kernel, stride, padding):
    wanted = F.max_pool2d(torch.zeros(2, 3, *size), kernel, stride, padding)
    pool = Pooling(2, 3, *size, "max", kernel, stride, (*padding, *padding))
    assert (pool.out_height, pool.out_width) == tuple(wanted.shape[2:])
    assert pool.operations == wanted.numel() * kernel[0] * kernel[1]


def test_padding_may_differ_from_side_to_side():
    pool = Pooling(1, 3, 8, 8, "average", (3, 3), (2, 2), (0, 1, 1, 2))
    assert (pool.out_height, pool.out_width) == (4, 5)


def test_kind_and_divisor_set_workloads_apart():
    pool = Pooling(1, 3, 8, 6, "average", (3, 3), (2, 2), (0, 0, 0, 0), 9)
    assert pool != Pooling(1, 3, 8, 6, "average", (3, 3), (2, 2), (0, 0, 0, 0))
    assert pool.describe() == "average pool 3 8x6"
