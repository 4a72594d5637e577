"""Which nodes share a kernel, and which maps are tiled away."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from tests.models import (
    basic_block,
    bottleneck,
    seeded,
)
from tests.passes.analysis.schedules import kernels


def cost(model, *shape):
    return plan_of(trace(seeded(lambda: model), torch.randn(shape))).forecast


def test_what_is_elementwise_joins_the_kernel_of_the_longer_path():
    model = nn.Sequential(nn.Conv2d(4, 4, 1), basic_block(4, 4), nn.Conv2d(4, 2, 1), nn.Sigmoid())
    found = kernels(model, torch.randn(1, 4, 8, 8))
    assert [len(nodes) for nodes in found] == [1, 3, 4, 2]
    assert found[2][-2:] == ("add", "_1_after")


def test_separate_adds_take_their_activation_with_them():
    found = kernels(nn.Sequential(nn.Conv2d(4, 4, 1), basic_block(4, 4)), torch.randn(1, 4, 8, 8), way="separate")
    assert found[-1] == ("add", "_1_after")


def test_two_pointwise_convolutions_in_a_row_share_a_kernel_unless_a_shortcut_reads_between_them():
    blocks = nn.Sequential(nn.Conv2d(8, 8, 1), bottleneck(8, 2), bottleneck(8, 2))
    forecast = cost(blocks, 1, 8, 6, 6)
    assert forecast.plain.tiled.kernels == forecast.plain.fused.kernels - 2
    assert forecast.model.tiled.kernels == forecast.model.fused.kernels
    assert forecast.plain.tiled.peak_bytes < forecast.plain.fused.peak_bytes


def test_a_kernel_is_tiled_with_one_other_at_most():
    pointwise = [nn.Conv2d(4, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 1)]
    found = kernels(nn.Sequential(*pointwise), torch.randn(1, 4, 8, 8), way="tiled")
    assert [len(nodes) for nodes in found] == [2, 2]


@pytest.mark.parametrize("second", [nn.Conv2d(8, 4, 1, 2), nn.Conv2d(8, 4, 1, groups=2), nn.Conv2d(8, 4, 1, padding=1)])
def test_what_is_not_one_by_one_dense_and_of_stride_one_is_not_paired(second):
    found = kernels(nn.Sequential(nn.Conv2d(4, 8, 1), second), torch.randn(1, 4, 8, 8), way="tiled")
    assert [len(nodes) for nodes in found] == [1, 1]


def test_a_map_narrower_than_its_neighbours_is_not_tiled_away():
    model = nn.Sequential(nn.Conv2d(16, 2, 1), nn.Conv2d(2, 16, 1))
    assert len(kernels(model, torch.randn(1, 16, 8, 8), way="tiled")) == 2


def test_a_stem_and_its_pool_run_as_one_but_a_global_pool_stays_alone():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 8, 3),
                          nn.AdaptiveAvgPool2d(1))  # fmt: skip
    found = kernels(model, torch.randn(1, 3, 16, 16), way="tiled")
    assert [len(nodes) for nodes in found] == [3, 1, 1]
