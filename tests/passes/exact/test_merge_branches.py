import pytest
import torch
from hypothesis import assume, given, reject, settings
from torch import nn

import rdpass
from tests.models import Branches, LayerScale, Residual, Scaled, classifier, conv_bn, seeded
from tests.strategies import linear_branches
from tests.support import Untouched, error_between


def merged(model, *shape, dtype=torch.float32):
    return rdpass.convert(model.to(dtype), torch.randn(shape, dtype=dtype), recipe="merge", max_macs=100)


def hows(conversion):
    return {outcome.how for outcome in conversion.outcomes}


def convolutions(student):
    return [module for module in student.modules() if isinstance(module, nn.Conv2d)]


class RepVGG(nn.Module):
    """3x3, 1x1 and a batch norm of the input itself, each normed, added up before one ReLU."""

    def __init__(self, channels: int, groups: int = 1) -> None:
        super().__init__()
        self.branches = Branches(
            conv_bn(channels, channels, 3, groups=groups),
            conv_bn(channels, channels, 1, groups=groups),
            nn.BatchNorm2d(channels),
        )
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.branches(x))


class RepMixer(nn.Module):
    """x + gamma * (mixed - normed), FastViT's: a difference inside, a layer scale, an identity round it all."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix, self.norm = conv_bn(channels, channels, groups=channels), nn.BatchNorm2d(channels)
        self.scale = LayerScale(channels)

    def forward(self, x):
        return x + self.scale(self.mix(x) - self.norm(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("block", "left"),
    [
        (lambda: RepVGG(4), (4, 4, 1, (3, 3))),
        (lambda: RepVGG(4, groups=2), (4, 4, 2, (3, 3))),
        (lambda: RepMixer(4), (4, 4, 4, (3, 3))),
        (lambda: Residual(conv_bn(4, 4, 1), None), (4, 4, 1, (1, 1))),
        (lambda: Residual(conv_bn(4, 4, 5), conv_bn(4, 4, 3)), (4, 4, 1, (5, 5))),
        (lambda: Residual(nn.Conv2d(4, 4, 3, 1, 2, 2), nn.Conv2d(4, 4, 3, 1, 1)), (4, 4, 1, (5, 5))),
        (lambda: Residual(nn.Conv2d(4, 4, (1, 5), 1, (0, 2)), nn.Conv2d(4, 4, (5, 1), 1, (2, 0))), (4, 4, 1, (5, 5))),
        (lambda: Residual(conv_bn(4, 4, groups=4), conv_bn(4, 4, 1, groups=2)), (4, 4, 2, (3, 3))),
        (lambda: Residual(conv_bn(4, 4), nn.AvgPool2d(3, 1, 1)), (4, 4, 1, (3, 3))),
        (lambda: Residual(nn.Sequential(*conv_bn(4, 4, groups=4), *conv_bn(4, 4, 1)), Scaled(0.5)), (4, 4, 1, (3, 3))),
        (lambda: Residual(nn.Conv2d(4, 4, 2, 2), nn.Sequential(nn.AvgPool2d(2), Scaled(2.0))), (4, 4, 1, (2, 2))),
        (lambda: Branches(*(conv_bn(4, 4) for _ in range(4)), conv_bn(4, 4, 1), nn.BatchNorm2d(4)), (4, 4, 1, (3, 3))),
    ],
    ids=[
        "repvgg", "grouped", "repmixer", "1x1-identity", "5x5-3x3", "dilated", "crossed", "groups-of-both", "average",
        "separable", "even", "mobileone",
    ],
)  # fmt: skip
def test_linear_branches_become_one_convolution(block, left, dtype):
    model = seeded(lambda: nn.Sequential(block(), nn.ReLU(), nn.Conv2d(4, 2, 1)))
    before = Untouched(model.to(dtype))
    conversion = merged(model, 2, 4, 10 if left[3] == (2, 2) else 9, 8, dtype=dtype)
    assert hows(conversion) == {"merged"}
    first, *rest = convolutions(conversion.student)
    assert len(rest) == 1
    assert (first.in_channels, first.out_channels, first.groups, first.kernel_size) == left
    x = torch.randn(3, *conversion.example[0].shape[1:], dtype=dtype)
    assert error_between(conversion.student, model, x) <= {torch.float32: 1e-5, torch.float64: 1e-10}[dtype]
    before.check()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            lambda: nn.Sequential(nn.Conv2d(4, 6, 1), nn.Conv2d(6, 4, 3, 1, 1)),
            "the padding is zero there, not the bias",
        ),
        (lambda: nn.Sequential(*conv_bn(4, 6, 1), *conv_bn(6, 4, 3)), "the padding is zero there, not the bias"),
        (lambda: nn.Sequential(*conv_bn(4, 6, 3), *conv_bn(6, 4, 3)), "not one at the borders"),
        (lambda: nn.Sequential(*conv_bn(4, 6, 3), nn.ReLU(), *conv_bn(6, 4, 3)), "ReLU) is not linear"),
    ],
    ids=["bias", "batch-norm", "two-3x3", "relu"],
)
def test_what_would_not_be_exact_at_the_borders_stays_and_says_so(body, reason):
    model = seeded(lambda: classifier(Residual(body()), channels=4))
    conversion = merged(model, 1, 3, 8, 8)
    assert hows(conversion) == {"kept"}
    assert reason in conversion.outcomes[0].reason
    assert error_between(conversion.student, model, torch.randn(2, 3, 8, 8)) <= 1e-5


def test_a_1x1_without_bias_before_a_padded_3x3_is_exact():
    body = nn.Sequential(nn.Conv2d(4, 6, 1, bias=False), *conv_bn(6, 4, 3))
    model = seeded(lambda: classifier(Residual(body), channels=4)).double()
    conversion = merged(model, 1, 3, 8, 8, dtype=torch.float64)
    assert hows(conversion) == {"merged"}
    assert error_between(conversion.student, model, torch.randn(2, 3, 8, 8, dtype=torch.float64)) <= 1e-10


def test_padding_of_another_mode_merges_where_the_other_side_stays_inside_the_map():
    inside = nn.Sequential(Residual(nn.Conv2d(4, 4, 3, 1, 1, padding_mode="circular")), nn.ReLU(), nn.Conv2d(4, 4, 1))
    across = nn.Sequential(
        Residual(nn.Conv2d(4, 4, 3, 1, 1, padding_mode="circular"), nn.Conv2d(4, 4, 3, 1, 1)), nn.ReLU()
    )
    conversion = merged(seeded(lambda: inside), 1, 4, 6, 6)
    assert hows(conversion) == {"merged"}
    assert error_between(conversion.student, inside, torch.randn(2, 4, 6, 6)) <= 1e-5
    refused = merged(seeded(lambda: across), 1, 4, 6, 6)
    assert "one side pads with circular, the other with zeros" in refused.outcomes[0].reason


def test_maps_of_one_axis_merge_too():
    model = seeded(lambda: nn.Sequential(Residual(nn.Conv1d(3, 3, 5, 1, 2), nn.Conv1d(3, 3, 1)), nn.ReLU()))
    conversion = merged(model, 2, 3, 11)
    assert hows(conversion) == {"merged"}
    assert error_between(conversion.student, model, torch.randn(3, 3, 11)) <= 1e-5


@settings(max_examples=25, deadline=None)
@given(linear_branches())
def test_any_sum_of_linear_branches_merges_exactly_or_says_why_not(case):
    block, sizes, seed = case
    model = seeded(lambda: nn.Sequential(block, nn.ReLU()), seed).double()
    example = torch.randn(sizes, dtype=torch.float64)
    try:
        model(example)
        conversion = merged(model, *sizes, dtype=torch.float64)
    except (RuntimeError, rdpass.core.errors.NothingToConvert):
        reject()
    for outcome in conversion.outcomes:
        assert outcome.how == "merged" or "border" in outcome.reason or "stays" in outcome.reason, outcome
    assert error_between(conversion.student, model, 3 * torch.randn_like(example)) <= 1e-10


@settings(max_examples=25, deadline=None)
@given(linear_branches())
def test_branches_of_one_convolution_each_leave_exactly_one(case):
    block, sizes, seed = case
    assume(all(sum(isinstance(m, nn.Conv2d) for m in branch.modules()) < 2 for branch in block.branches))
    model = seeded(lambda: nn.Sequential(block, nn.ReLU()), seed).double()
    try:
        model(torch.randn(sizes, dtype=torch.float64))
        conversion = merged(model, *sizes, dtype=torch.float64)
    except (RuntimeError, rdpass.core.errors.NothingToConvert):
        reject()
    assert hows(conversion) == {"merged"}
    assert len(convolutions(conversion.student)) == 1
