import pytest
import torch
from hypothesis import given, settings
from torch import nn

import rdpass
from rdpass.layers import ChannelClamp
from rdpass.passes.fx.operators import kind_of
from tests.models import (
    PreActivation,
    Residual,
    SqueezeExcite,
    basic_block,
    bottleneck,
    classifier,
    conv_bn,
    inverted_residual,
    seeded,
    small_resnet,
)
from tests.strategies import blocks
from tests.support import Untouched, error_between

EXACT = {torch.float32: 1e-5, torch.float64: 1e-10}


def carried(model, *shape, dtype=torch.float32, **options):
    return rdpass.convert(model.to(dtype), torch.randn(shape, dtype=dtype), recipe="carry", max_macs=100, **options)


def adds(student):
    return [node for node in student.graph.nodes if kind_of(student, node) == "add"]


def hows(conversion):
    return [outcome.how for outcome in conversion.outcomes]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("block", "channels"),
    [
        (lambda: basic_block(4, 4), 4),
        (lambda: basic_block(4, 6, stride=2), 6),
        (lambda: bottleneck(8, 4), 8),
        (lambda: bottleneck(4, 4, out=6, stride=2), 6),
        (lambda: bottleneck(8, 4, groups=2), 8),
        (lambda: inverted_residual(4, 9), 4),
        (lambda: inverted_residual(4, 9, kernel=5), 4),
        (lambda: Residual(nn.Sequential(*conv_bn(4, 4), nn.PReLU(4), *conv_bn(4, 4))), 4),
        (lambda: Residual(nn.Sequential(*conv_bn(4, 4), nn.PReLU(), *conv_bn(4, 4))), 4),
        (lambda: Residual(nn.Sequential(*conv_bn(4, 4), nn.LeakyReLU(0.2), *conv_bn(4, 4))), 4),
        (lambda: Residual(nn.Sequential(*conv_bn(4, 8, groups=4), nn.ReLU6(), *conv_bn(8, 4))), 4),
        (lambda: Residual(nn.Sequential(nn.Conv2d(4, 6, 3, 1, 2, dilation=2), nn.ReLU(), nn.Conv2d(6, 4, 1))), 4),
        (lambda: Residual(nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1))), 4),
        (lambda: Residual(nn.Sequential(nn.Conv2d(4, 4, 3, padding="same"), nn.ReLU(), nn.Conv2d(4, 4, 1))), 4),
    ],
)
def test_a_carried_block_equals_the_residual_one(block, channels, dtype):
    model = seeded(lambda: classifier(block(), channels=channels))
    before = Untouched(model.to(dtype))
    conversion = carried(model, 3, 3, 9, 7, dtype=dtype)
    assert hows(conversion) == ["carried"]
    assert not adds(conversion.student)
    for batch in (1, 2, 5):
        assert error_between(conversion.student, model, torch.randn(batch, 3, 9, 7, dtype=dtype)) <= EXACT[dtype]
    before.check()


def test_large_activations_pass_a_relu6_unclipped():
    model = seeded(lambda: classifier(inverted_residual(4, 8), channels=4))
    conversion = carried(model, 1, 3, 8, 8)
    x = 100 * torch.randn(2, 3, 8, 8)
    assert error_between(conversion.student, model, x) <= 1e-5
    clamps = [module for module in conversion.student.modules() if isinstance(module, ChannelClamp)]
    assert len(clamps) == 2
    assert int(torch.isinf(clamps[0].upper).sum()) == 4


def test_a_relu_stays_a_relu_where_the_fork_is_never_negative():
    conversion = carried(seeded(small_resnet), 1, 3, 9, 9)
    assert not any(isinstance(module, ChannelClamp) for module in conversion.student.modules())


def test_an_identity_round_one_convolution_merges_at_no_cost():
    conversion = carried(seeded(lambda: classifier(Residual(conv_bn(4, 4)), channels=4)), 1, 3, 8, 8)
    assert hows(conversion) == ["merged"]
    assert conversion.cost.macs == conversion.plan.forecast.model.macs


def test_a_depthwise_convolution_merges_with_its_identity():
    model = seeded(lambda: classifier(Residual(conv_bn(4, 4, groups=4)), channels=4))
    conversion = carried(model, 1, 3, 8, 8)
    assert hows(conversion) == ["merged"]
    assert error_between(conversion.student, model, torch.randn(2, 3, 8, 8)) <= 1e-5


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (PreActivation(4), "does not fold"),
        (Residual(nn.Sequential(conv_bn(4, 4), nn.SiLU(), conv_bn(4, 4))), "SiLU"),
        (Residual(nn.Sequential(conv_bn(4, 4), nn.ReLU(), conv_bn(4, 4), SqueezeExcite(4))), "(pool) in the body"),
        (Residual(conv_bn(4, 4, 3, 2), nn.Sequential(nn.AvgPool2d(2), *conv_bn(4, 4, 1))), "is not one 1x1"),
        (Residual(nn.Sequential(conv_bn(4, 4), nn.ReLU(), conv_bn(4, 4, groups=2))), "grouped"),
    ],
    ids=["preact", "smooth", "se", "pooled", "grouped-last"],
)
def test_what_is_not_covered_is_kept_with_its_reason(block, reason):
    model = seeded(lambda: classifier(block, channels=4))
    conversion = carried(model, 1, 3, 8, 8)
    assert hows(conversion) == ["kept"]
    assert reason in conversion.outcomes[0].reason
    assert error_between(conversion.student, model, torch.randn(2, 3, 8, 8)) <= 1e-5


def test_the_budget_keeps_the_dearest_shortcuts_and_says_what_they_would_cost():
    model = seeded(small_resnet)
    free = rdpass.convert(model, torch.randn(1, 3, 9, 9), recipe="carry", max_macs=100)
    tight = rdpass.convert(model, torch.randn(1, 3, 9, 9), recipe="carry", max_macs=1.3)
    assert len(free.removed) == 3
    assert 0 < len(tight.removed) < 3
    assert tight.cost.macs <= 1.3 * tight.plan.forecast.model.macs < free.cost.macs
    assert all("MACs" in outcome.reason for outcome in tight.outcomes if outcome.how == "kept")
    assert error_between(tight.student, model, torch.randn(2, 3, 9, 9)) <= 1e-5


def test_skipping_everything_leaves_nothing_to_convert():
    with pytest.raises(rdpass.errors.NothingToConvert):
        carried(seeded(small_resnet), 1, 3, 9, 9, skip=("*",))


@settings(max_examples=60, deadline=None)
@given(blocks())
def test_any_chain_of_convolutions_is_carried_exactly(case):
    block, sizes, seed = case
    model = seeded(lambda: block, seed).double()
    conversion = rdpass.convert(model, torch.randn(sizes, dtype=torch.float64), recipe="carry", max_macs=1e9)
    assert hows(conversion) in (["carried"], ["merged"])
    x = 3 * torch.randn(2, *sizes[1:], dtype=torch.float64)
    assert error_between(conversion.student, model, x) <= 1e-10
