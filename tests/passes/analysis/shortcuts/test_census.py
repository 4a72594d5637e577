import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rdpass.capture.trace import trace
from rdpass.passes.analysis.shortcuts.census import take_census
from tests.models import (
    OverwrittenFork,
    PositionalEmbedding,
    PreActivation,
    Residual,
    SharedLayer,
    SqueezeExcite,
    TwoInputs,
    UNet,
    basic_block,
    bottleneck,
    classifier,
    conv_bn,
    inverted_residual,
    seeded,
    small_resnet,
)


def census(model, *shapes, **selection):
    inputs = tuple(torch.randn(shape) for shape in shapes)
    return take_census(trace(seeded(lambda: model), inputs), **selection)


def kinds(regions):
    return [region.kind for region in regions]


def two_layers(channels_in, channels, stride=1):
    return nn.Sequential(conv_bn(channels_in, channels, 3, stride), nn.ReLU(), conv_bn(channels, channels))


def test_basic_blocks_have_identities_and_projections():
    regions, skipped = census(small_resnet(), (1, 3, 9, 9))
    assert kinds(regions) == ["identity", "projection", "identity"]
    assert skipped == ()
    assert [region.shape for region in regions] == [(1, 4, 9, 9), (1, 8, 5, 5), (1, 8, 5, 5)]


def test_bytes_held_live_are_those_of_the_smaller_end_of_the_shortcut():
    regions, _ = census(small_resnet(), (1, 3, 9, 9))
    assert [region.bytes for region in regions] == [4 * 81 * 4, 8 * 25 * 4, 8 * 25 * 4]


def test_a_region_names_its_fork_body_shortcut_and_module():
    regions, _ = census(classifier(basic_block(4, 8, 2)), (1, 3, 8, 8))
    (region,) = regions
    traced = trace(seeded(lambda: classifier(basic_block(4, 8, 2))), torch.randn(1, 3, 8, 8))
    names = {node.name for node in traced.module.graph.nodes}
    assert {region.add, region.fork, *region.body, *region.shortcut} <= names
    assert len(region.body) == 5
    assert len(region.shortcut) == 2
    assert region.path == "1.body"


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (bottleneck(8, 4), "identity"),
        (bottleneck(8, 4, groups=2), "identity"),
        (bottleneck(4, 4, out=8, stride=2), "projection"),
        (inverted_residual(8, 16), "identity"),
        (PreActivation(8), "identity"),
        (Residual(nn.Sequential(conv_bn(8, 8), nn.ReLU(), conv_bn(8, 8), SqueezeExcite(8))), "identity"),
        (Residual(two_layers(4, 8, 2), nn.Sequential(nn.AvgPool2d(2), *conv_bn(4, 8, 1))), "projection"),
        (Residual(two_layers(4, 8, 2), nn.Sequential(nn.MaxPool2d(2), *conv_bn(4, 8, 1))), "projection"),
        (Residual(two_layers(4, 8, 2), nn.Sequential(*conv_bn(4, 4, 3, 2, groups=4), *conv_bn(4, 8, 1))), "projection"),
        (Residual(two_layers(8, 8, 2), nn.AvgPool2d(2)), "padded"),
        (Residual(two_layers(8, 8), nn.Identity()), "identity"),
    ],
    ids=[
        "bottleneck",
        "grouped",
        "strided",
        "inverted",
        "preact",
        "se",
        "resnet-d",
        "max-pool",
        "ghost",
        "pool-alone",
        "identity-module",
    ],
)
def test_every_family_of_blocks_is_found(block, kind):
    regions, skipped = census(classifier(block), (2, 3, 8, 8))
    assert kinds(regions) == [kind]
    assert regions[0].verdict == "removable"
    assert skipped == ()


def test_a_padded_shortcut_is_told_from_a_projection():
    class PaddedShortcut(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = two_layers(4, 8, 2)

        def forward(self, x):
            return self.body(x) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))

    regions, _ = census(classifier(PaddedShortcut(), channels=8), (1, 3, 8, 8))
    assert kinds(regions) == ["padded"]


@pytest.mark.parametrize(
    ("model", "shapes", "reason"),
    [
        (UNet(), [(1, 3, 8, 8)], "cross-scale"),
        (PositionalEmbedding(), [(1, 3, 8, 8)], "constant or parameter"),
        (TwoInputs(), [(1, 3, 8, 8), (1, 3, 8, 8)], "different inputs"),
        (Residual(nn.Linear(4, 4)), [(2, 4)], "rank 2"),
        (Residual(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1)), [(1, 3, 8, 8)], "broadcast"),
        (Residual(nn.ReLU()), [(1, 3, 8, 8)], "no layer with weights"),
        (Residual(conv_bn(3, 3), nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())), [(1, 3, 8, 8)], "fusion"),
    ],
    ids=["unet", "constant", "inputs", "rank", "broadcast", "weightless", "fusion"],
)
def test_what_is_no_shortcut_is_skipped_with_its_reason(model, shapes, reason):
    regions, skipped = census(model, *shapes)
    assert regions == ()
    assert any(reason in finding.reason for finding in skipped), skipped


def test_an_escaping_tensor_is_no_region_but_a_forked_stage_output_is():
    class Escaping(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.a, self.b, self.inner = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), inner

        def forward(self, x):
            middle = self.a(x)
            y = self.b(F.relu(middle)) + x
            return (y, middle) if self.inner else (y, x * 2)

    regions, skipped = census(Escaping(inner=True), (1, 3, 8, 8))
    assert regions == ()
    assert "also used by" in skipped[0].reason
    regions, _ = census(Escaping(inner=False), (1, 3, 8, 8))
    assert kinds(regions) == ["identity"]


def test_every_add_appears_exactly_once():
    model = nn.Sequential(UNet(), PositionalEmbedding(), Residual(conv_bn(3, 3)), OverwrittenFork())
    regions, skipped = census(model, (1, 3, 8, 8))
    adds = [finding.add for finding in (*regions, *skipped)]
    assert len(adds) == len(set(adds)) == 5
    assert len(regions) == 2


def test_nested_regions_are_both_found_and_shared_layers_are_no_obstacle():
    nested = Residual(nn.Sequential(Residual(conv_bn(3, 3)), conv_bn(3, 3)))
    assert len(census(nested, (1, 3, 8, 8))[0]) == 2
    assert len(census(SharedLayer(), (1, 4, 7, 7))[0]) == 2


def test_one_and_three_dimensions_work_like_two():
    flat = Residual(nn.Sequential(nn.Conv1d(3, 3, 3, 1, 1), nn.BatchNorm1d(3), nn.ReLU()))
    solid = Residual(nn.Sequential(nn.Conv3d(3, 3, 3, 1, 1), nn.BatchNorm3d(3), nn.ReLU()))
    assert kinds(census(flat, (1, 3, 9))[0]) == ["identity"]
    assert kinds(census(solid, (1, 3, 5, 5, 5))[0]) == ["identity"]


def test_weights_that_are_computed_are_no_part_of_the_dataflow():
    class Standardised(nn.Module):
        """A convolution whose weight is normalised before every use."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 3, 3, 3))

        def forward(self, x):
            weight = self.weight.reshape(3, -1)
            weight = ((weight - weight.mean(1, keepdim=True)) / weight.std()).reshape_as(self.weight)
            return F.relu(F.conv2d(x, weight, padding=1)) + x

    regions, _ = census(Standardised(), (1, 3, 8, 8))
    assert kinds(regions) == ["identity"]
    assert regions[0].body == ("conv2d", "relu")


def test_a_gate_by_softmax_is_no_attention():
    class Selecting(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.gate = nn.Conv2d(3, 3, 3, 1, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x):
            y = self.conv(x)
            return y * F.softmax(self.gate(y.mean((2, 3), keepdim=True)), dim=1) + x

    regions, _ = census(Selecting(), (1, 3, 8, 8))
    assert [(region.kind, region.verdict) for region in regions] == [("identity", "removable")]


def test_attention_and_layer_norm_bodies_are_kept_unless_selected():
    class Norm(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.GroupNorm(1, 3)
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return x + self.conv(self.norm(x))

    regions, _ = census(Norm(), (1, 3, 8, 8))
    assert [(region.verdict, "GroupNorm" in region.reason) for region in regions] == [("kept", True)]
    regions, _ = census(Norm(), (1, 3, 8, 8), only=("add",))
    assert [region.verdict for region in regions] == ["removable"]


def test_globs_select_by_node_name_and_by_module_path():
    verdicts = lambda **selection: [r.verdict for r in census(small_resnet(), (1, 3, 9, 9), **selection)[0]]  # noqa: E731
    assert verdicts(skip=("2.*",)) == ["removable", "kept", "removable"]
    assert verdicts(only=("add_2",)) == ["kept", "kept", "removable"]
    assert verdicts(skip=("*",)) == ["kept"] * 3
