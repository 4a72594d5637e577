"""Estimated latency: arithmetic that can be checked by hand, and ranges that hold what others have measured."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from rdpass.capture.torchvision_import import prepare_torchvision
from rdpass.capture.trace import trace
from rdpass.core.errors import TargetError
from rdpass.inspection import inspect
from rdpass.passes.analysis.cost import fusion_variants_of
from rdpass.passes.analysis.roofline import latencies
from rdpass.targets.lookup import Target, all_targets, find_target
from tests.models import small_resnet_of_four

prepare_torchvision()
BOARD = Target("mine", "aarch64-linux-gnu", "cortex-a72", 2, (), 1.0, 4, 32 << 10, 1024, 0, 2.0)


def ranges(model, shape, target=BOARD):
    variants = fusion_variants_of(trace(model, torch.randn(shape)).module)
    return {(found.variant, found.threads): found for found in latencies(target, variants, variants)}


def test_both_ends_of_one_convolution_are_what_the_formulas_say():
    found = ranges(nn.Conv2d(8, 16, 3, 1, 1), (1, 8, 32, 32))
    macs, moved = 16 * 8 * 9 * 1024, (8 + 16) * 1024 * 4 + (16 * 8 * 9 + 16) * 4
    one, two = found["plain", 1], found["plain", 2]
    assert one.low_ms == pytest.approx(max(macs / 4 / 4e9, moved / 2e9) * 1e3, rel=1e-2)
    assert one.high_ms == pytest.approx((macs / (0.6 * 4e9) + moved / 2e9) * 1e3, rel=1e-2)
    assert two.high_ms == pytest.approx((macs / (0.6 * 1.7 * 4e9) + moved / 2e9) * 1e3, rel=1e-2)
    assert two.low_ms <= one.low_ms


@pytest.mark.parametrize(
    ("layer", "share"),
    [
        (nn.Conv2d(16, 16, 3, 1, 1), 36 / 144), (nn.Conv2d(16, 16, 3, 2, 1), 81 / 144),
        (nn.Conv2d(16, 16, 7, 2, 3), 144 / 441), (nn.Conv2d(16, 16, 3, 1, 1, groups=2), 1),
        (nn.Conv2d(16, 16, 3, 1, 2, dilation=2), 1), (nn.Conv2d(16, 16, 3, (1, 2), 1), 1),
        (nn.Conv2d(16, 16, (3, 1), 1, (1, 0)), 1), (nn.Conv2d(16, 16, 5, 1, 2), 1),
    ],
)  # fmt: skip
def test_the_low_end_counts_the_fewest_products_that_a_layer_is_computed_with(layer, share):
    fast = replace(BOARD, dram_gbps=1e6)
    found = ranges(layer, (1, 16, 32, 32), fast)["plain", 1]
    out = layer(torch.zeros(1, 16, 32, 32))
    macs = out.numel() * layer.weight[0].numel()
    assert found.low_ms == pytest.approx(macs * share / 4e9 * 1e3, rel=1e-2)


def test_what_fits_into_the_last_cache_need_not_come_from_memory():
    large = replace(BOARD, l3_bytes=64 << 20)
    model, shape = nn.Conv2d(64, 64, 1), (1, 64, 1, 1)
    assert ranges(model, shape, large)["plain", 1].low_ms < ranges(model, shape)["plain", 1].low_ms
    assert ranges(model, shape, large)["plain", 1].high_ms == ranges(model, shape)["plain", 1].high_ms


def test_a_depthwise_layer_is_slower_at_the_high_end_only():
    found = ranges(nn.Conv2d(64, 64, 3, 1, 1, groups=64), (1, 64, 56, 56))["plain", 1]
    macs, moved = 64 * 9 * 56 * 56, 2 * 64 * 56 * 56 * 4
    assert found.high_ms == pytest.approx((macs / (0.2 * 4e9) + moved / 2e9) * 1e3, rel=2e-2)


@pytest.mark.parametrize(
    ("board", "clock", "name", "published"),
    [
        ("rk3399", 1.8, "resnet18", 175.71),
        ("rk3399", 1.8, "resnet50", 503.25),
        ("rpi4", 1.5, "resnet18", 190.80),
        ("rpi4", 1.5, "resnet50", 533.15),
        ("rpi3", 1.4, "resnet18", 379.21),
        ("rpi3", 1.4, "resnet50", 977.51),
    ],
)
def test_the_range_holds_the_one_thread_times_that_ncnn_publishes(board, clock, name, published):
    """fp32 at 224 px; the Pi 3 there is a 3B+, at 1.4 GHz."""
    from torchvision.models import get_model

    target = replace(find_target(board), clock_ghz=clock)
    found = ranges(get_model(name, weights=None), (1, 3, 224, 224), target)["model, adds fused", 1]
    assert found.low_ms < published < found.high_ms


def test_the_ends_are_in_order_for_every_target_and_fewer_bytes_are_never_slower():
    model = small_resnet_of_four()
    for target in all_targets():
        plan = inspect(model, torch.randn(1, 3, 8, 8), target=target)
        assert plan.forecast.target == target.name
        found = {(latency.variant, latency.threads): latency for latency in plan.forecast.latency}
        assert {threads for _, threads in found} == {1, target.cores}
        for latency in found.values():
            assert 0 < latency.low_ms < latency.high_ms
        for threads in (1, target.cores):
            assert found["plain", threads].high_ms < found["model, adds fused", threads].high_ms


def test_without_a_target_nothing_is_estimated_and_an_unknown_one_is_refused():
    assert inspect(small_resnet_of_four(), torch.randn(1, 3, 8, 8)).forecast.latency == ()
    with pytest.raises(TargetError, match="no target is called 'rpi9'"):
        inspect(small_resnet_of_four(), torch.randn(1, 3, 8, 8), target="rpi9")
    blank = Target("blank", "aarch64-linux-gnu", "generic", 1, ())
    with pytest.raises(TargetError, match="blank has no clock_ghz"):
        inspect(small_resnet_of_four(), torch.randn(1, 3, 8, 8), target=blank)
