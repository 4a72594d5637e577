"""Regions with linear sides, and scales: RepVGG, MobileOne, FastViT, layer scale, β, alpha."""

import pytest
import torch
from torch import nn

from rdpass.capture.programs import export_program, unpack_program
from rdpass.capture.trace import trace
from rdpass.passes.analysis.shortcuts.census import take_census
from tests.models import Applied, Residual, classifier, conv_bn, seeded


def census(model, *shape):
    return take_census(trace(seeded(lambda: model), torch.randn(shape)))


class RepVgg(nn.Module):
    """3x3 ∥ 1x1 ∥ batch norm on the identity, each linear, then a ReLU."""

    def __init__(self, channels):
        super().__init__()
        self.wide, self.point = conv_bn(channels, channels), conv_bn(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return torch.relu(self.wide(x) + self.point(x) + self.norm(x))


class MobileOne(nn.Module):
    """The same with several 3x3 branches, summed onto a zero."""

    def __init__(self, channels):
        super().__init__()
        self.branches = nn.ModuleList(conv_bn(channels, channels, groups=channels) for _ in range(3))
        self.point, self.norm = conv_bn(channels, channels, 1, groups=channels), nn.BatchNorm2d(channels)

    def forward(self, x):
        out = self.norm(x) + self.point(x) + 0
        for branch in self.branches:
            out += branch(x)
        return torch.relu(out)


class RepMixer(nn.Module):
    """FastViT's token mixer: x + γ (mix(x) − norm(x)), linear as a whole."""

    def __init__(self, channels):
        super().__init__()
        self.mix, self.norm = RepVgg(channels), nn.BatchNorm2d(channels)
        self.gamma = nn.Parameter(torch.rand(channels, 1, 1))

    def forward(self, x):
        mixed = self.mix.wide(x) + self.mix.point(x)
        return x + self.gamma * (mixed - self.norm(x))


@pytest.mark.parametrize(
    ("block", "regions"), [(RepVgg(4), 2), (MobileOne(4), 4), (RepMixer(4), 2), (Residual(conv_bn(4, 4)), 1)]
)
def test_sums_of_linear_branches_are_merge(block, regions):
    found, _ = census(classifier(block, channels=4), 1, 3, 8, 8)
    assert [(region.kind, region.verdict) for region in found] == [("merge", "removable")] * regions
    assert all(region.reason == "both sides are linear" for region in found)


def test_the_three_branches_of_a_repvgg_block_share_one_fork_and_the_sum_of_two_is_a_body():
    inner, outer = census(classifier(RepVgg(4), channels=4), 1, 3, 8, 8)[0]
    assert inner.fork == outer.fork
    assert inner.add in outer.body
    assert outer.shortcut == ("_1_norm",)
    assert "_1_point_0" in inner.shortcut


NO_STATISTICS = nn.BatchNorm2d(4, track_running_stats=False)


@pytest.mark.parametrize("between", [nn.ReLU(), nn.MaxPool2d(3, 1, 1), nn.GroupNorm(2, 4), NO_STATISTICS])
def test_one_thing_that_is_not_linear_makes_it_no_merge(between):
    found, _ = census(classifier(Residual(nn.Sequential(conv_bn(4, 4), between)), channels=4), 1, 3, 8, 8)
    assert [region.kind for region in found] == ["identity"]


class ByItsBatch(nn.Module):
    """A batch norm that never had running statistics, as a function."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(4))

    def forward(self, x):
        return nn.functional.batch_norm(x, None, None, self.weight, training=True)


@pytest.mark.parametrize("exported", [False, True])
@pytest.mark.parametrize("norm", [NO_STATISTICS, ByItsBatch()], ids=["module", "function"])
def test_a_batch_norm_without_running_statistics_is_a_norm_like_instance_norm(norm, exported):
    def found(body, shortcut):
        model, x = classifier(Residual(body, shortcut), channels=4).eval(), torch.randn(1, 3, 8, 8)
        return take_census(trace(unpack_program(export_program(model, (x,))) if exported else model, x))

    (region,), _ = found(nn.Sequential(nn.Conv2d(4, 4, 1), norm), nn.Identity())
    assert (region.kind, region.verdict) == ("identity", "kept")
    assert "BatchNorm without running statistics" in region.reason
    regions, (skipped,) = found(nn.Sequential(nn.Conv2d(4, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 4, 1)), norm)
    assert regions == ()
    assert "both sides compute (a fusion)" in skipped.reason


def cropped(x):
    return nn.functional.max_pool2d(x, 2, ceil_mode=True)[:, :, :-1, :-1]


def cropped_by_indices(x):
    pooled, _ = nn.functional.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
    return pooled[..., :-1, :-1]


def narrowed(x):
    return nn.functional.max_pool2d(x, 3, 2, 1).narrow(2, 0, 6).narrow(3, 0, 6)


@pytest.mark.parametrize("exported", [False, True])
@pytest.mark.parametrize("shortcut", [cropped, cropped_by_indices, narrowed])
def test_a_max_pool_and_a_slice_are_padded(shortcut, exported):
    body = nn.Sequential(conv_bn(4, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 4, 2))
    model, x = classifier(Residual(body, Applied(shortcut)), channels=4).eval(), torch.randn(1, 3, 14, 14)
    (region,), _ = take_census(trace(unpack_program(export_program(model, (x,))) if exported else model, x))
    assert (region.kind, region.verdict, region.shape) == ("padded", "removable", (1, 4, 6, 6))


def test_a_gate_and_weights_that_depend_on_the_input_are_not_linear():
    class Squared(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, x):
            y = self.conv(x)
            return y * y + x

    class Dynamic(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Linear(4, 16)

        def forward(self, x):
            weight = self.weight(x.mean((0, 2, 3))).reshape(4, 4, 1, 1)
            return nn.functional.conv2d(x, weight) + x

    for block in (Squared(), Dynamic()):
        found, _ = census(block, 1, 4, 8, 8)
        assert [region.kind for region in found] == ["identity"]


class Scaled(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.body, self.how = nn.Sequential(*conv_bn(4, 4), nn.ReLU(), *conv_bn(4, 4)), how
        self.gamma, self.gain = nn.Parameter(torch.rand(4)), nn.Parameter(torch.rand(()))

    def forward(self, x):
        y = self.body(x)
        if self.how == "layer scale":
            return x + self.gamma.reshape(1, -1, 1, 1) * y
        if self.how == "layer scale in place":
            return x + y.mul_(self.gamma.reshape(1, -1, 1, 1))
        if self.how == "beta":
            return x + y * 0.2
        if self.how == "divisor":
            return x + y / 5
        if self.how == "alpha":
            return torch.add(x, y, alpha=0.2)
        if self.how == "gain and alpha":
            return torch.add(x, y * self.gain, alpha=0.2)
        return torch.add(y, x, alpha=0.5)


@pytest.mark.parametrize(
    ("how", "scales"),
    [("layer scale", 1), ("layer scale in place", 1), ("beta", 1), ("divisor", 1), ("alpha", 1), ("gain and alpha", 2)],
)
def test_a_scaled_branch_is_an_identity_shortcut_and_names_its_scale(how, scales):
    (region,), _ = census(classifier(Scaled(how), channels=4), 1, 3, 8, 8)
    assert (region.kind, region.verdict, len(region.scale)) == ("identity", "removable", scales)
    assert set(region.scale) <= set(region.body)
    assert region.shortcut == ()


def test_a_scaled_shortcut_is_an_identity_that_names_its_scale():
    (region,), _ = census(classifier(Scaled("shortcut"), channels=4), 1, 3, 8, 8)
    assert (region.kind, region.verdict) == ("identity", "removable")
    assert region.scale == region.shortcut
    assert len(region.scale) == 1


def test_a_gate_is_no_scale():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.gate = nn.Conv2d(4, 4, 3, 1, 1), nn.Conv2d(4, 4, 1)

        def forward(self, x):
            return x + torch.relu(self.conv(x)) * torch.sigmoid(self.gate(x))

    (region,), _ = census(Gated(), 1, 4, 8, 8)
    assert region.scale == ()
