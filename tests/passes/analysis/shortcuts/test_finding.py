"""What the census finds, sentence by sentence, on models that make it hard."""

import operator

import pytest
import torch
from torch import Tensor, nn
from torch.ao.nn.quantized import FloatFunctional
from torch.nn import functional as F

import rdpass
from rdpass.capture.torchvision_import import prepare_torchvision
from rdpass.capture.trace import trace
from rdpass.passes.analysis.shortcuts.census import take_census
from tests.models import Branches, LayerScale, Residual, Scaled, SqueezeExcite, basic_block, classifier, conv_bn, seeded
from tests.support import Untouched, error_between

prepare_torchvision()


def census(model, *shapes, **selection):
    """Regions and skipped adds of the model, which is left as it was."""
    model, inputs = seeded(lambda: model), tuple(torch.randn(shape) for shape in shapes)
    before = Untouched(model)
    traced = trace(model, inputs)
    regions, skipped = take_census(traced, **selection)
    before.check()
    adds = [node.name for node in traced.module.graph.nodes if node.target is operator.add]
    assert sorted(adds) == sorted(finding.add for finding in (*regions, *skipped))  # each once
    return regions, skipped


def kinds(regions):
    return [region.kind for region in regions]


def body(channels_in=4, channels=4, stride=1):
    return nn.Sequential(conv_bn(channels_in, channels, 3, stride), nn.ReLU(), conv_bn(channels, channels))


class Spelled(nn.Module):
    """A residual block whose add is spelled in one of many ways."""

    def __init__(self, add):
        super().__init__()
        self.first, self.body, self.add = conv_bn(4, 4), body(), add

    def forward(self, x):
        x = self.first(x)
        return F.relu(self.add(self.body(x), x))


def in_place(y: Tensor, x: Tensor) -> Tensor:
    y += x
    return y


def onto_the_fork(y: Tensor, x: Tensor) -> Tensor:
    x += y
    return x


@pytest.mark.parametrize(
    "add",
    [
        pytest.param(lambda y, x: y + x, id="+"),
        pytest.param(lambda y, x: x + y, id="the shortcut first"),
        pytest.param(in_place, id="+="),
        pytest.param(onto_the_fork, id="+= that overwrites the fork"),
        pytest.param(lambda y, x: y.add_(x), id="add_"),
        pytest.param(lambda y, x: y.add(other=x), id="add by keyword"),
        pytest.param(torch.add, id="torch.add"),
        pytest.param(lambda y, x: torch.add(input=y, other=x), id="torch.add by keywords"),
        pytest.param(operator.iadd, id="operator.iadd"),
        pytest.param(lambda y, x: torch.ops.aten.add.Tensor(y, x), id="aten.add"),
    ],
)
def test_every_spelling_of_the_add_is_one_shortcut_and_goes_exactly(add):
    regions, skipped = census(Spelled(add), (2, 4, 7, 5))
    assert (kinds(regions), skipped) == (["identity"], ())
    model = seeded(lambda: Spelled(add))
    conversion = rdpass.convert(model, torch.randn(2, 4, 7, 5), recipe="carry", max_macs=9)
    assert [outcome.how for outcome in conversion.outcomes] == ["carried"]
    assert error_between(conversion.student, model, torch.randn(3, 4, 7, 5)) <= 1e-5


class Quantisable(nn.Module):
    """Adds through one FloatFunctional that two blocks share, one of them fused with its ReLU."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.adder = body(), body(), FloatFunctional()

    def forward(self, x):
        x = self.adder.add_relu(self.first(x), x)
        return self.adder.add(self.second(x), x)


def test_adds_of_a_float_functional_are_shortcuts_though_one_module_does_them_all():
    regions, skipped = census(Quantisable(), (1, 4, 7, 7))
    assert (kinds(regions), skipped) == (["identity", "identity"], ())
    model = seeded(Quantisable)
    conversion = rdpass.convert(model, torch.randn(1, 4, 7, 7).relu(), recipe="carry", max_macs=9)
    assert error_between(conversion.student, model, torch.randn(2, 4, 7, 7).relu()) <= 1e-5


class Alpha(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = body()

    def forward(self, x):
        return torch.add(x, self.body(x), alpha=0.2)


@pytest.mark.parametrize(
    ("model", "scales"),
    [
        pytest.param(Residual(nn.Sequential(body(), LayerScale(4))), 1, id="layer-scale"),
        pytest.param(Residual(nn.Sequential(body(), Scaled(0.2))), 1, id="beta"),
        pytest.param(Residual(body(), Scaled(0.5)), 1, id="a scaled shortcut"),
        pytest.param(Residual(nn.Sequential(body(), LayerScale(4), Scaled(0.2)), LayerScale(4)), 3, id="both sides"),
        pytest.param(Alpha(), 1, id="alpha"),
    ],
)
def test_a_scaled_branch_is_an_identity_and_its_scales_are_named(model, scales):
    (region,), skipped = census(model, (1, 4, 6, 6))
    assert (region.kind, len(region.scale), skipped) == ("identity", scales, ())
    assert set(region.scale) <= {*region.body, *region.shortcut}


class Doubled(nn.Module):
    def forward(self, x):
        return x + x * 0.5 + x


def test_a_multiple_of_the_fork_is_an_identity_and_one_with_a_bias_is_a_projection():
    regions, skipped = census(Residual(nn.Sequential(body(), nn.ReLU()), Doubled()), (1, 4, 6, 6))
    assert kinds(regions) == ["identity"]
    assert [other.reason for other in skipped] == ["no layer with weights between fork and add"] * 2
    shifted = Residual(nn.Sequential(body(), nn.ReLU()), Shifted())
    assert kinds(census(shifted, (1, 4, 6, 6))[0]) == ["projection"]


class Shifted(nn.Module):
    def forward(self, x):
        return x + 0.5


class DenseBlock(nn.Module):
    """Three convolutions, each on all maps before it, scaled and added to the first (RRDB's inner block)."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(4 + 2 * k, 4 if k == 2 else 2, 3, 1, 1) for k in range(3))

    def forward(self, x):
        maps = [x]
        for conv in self.convs[:-1]:
            maps.append(F.leaky_relu(conv(torch.cat(maps, 1)), 0.2, inplace=True))
        return self.convs[-1](torch.cat(maps, 1)) * 0.2 + x


def test_dense_blocks_nested_in_a_scaled_block_are_three_regions_and_a_fourth():
    regions, skipped = census(
        Residual(nn.Sequential(DenseBlock(), DenseBlock(), DenseBlock(), Scaled(0.2))), (1, 4, 6, 6)
    )
    assert (kinds(regions), skipped) == (["identity"] * 4, ())
    inner = {name for region in regions[:3] for name in (*region.body, region.add)}
    assert inner < set(regions[3].body)
    assert all(region.scale for region in regions)


@pytest.mark.parametrize(
    ("shortcut", "kind"),
    [
        (conv_bn(4, 8, 1, 2), "projection"),
        (nn.Conv2d(4, 8, 1, 2, bias=False), "projection"),
        (nn.Sequential(nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False), *conv_bn(4, 8, 1)), "projection"),
        (nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 8, 1)), "projection"),
    ],
    ids=["conv-bn", "conv", "average-conv-bn", "maximum-conv"],
)
def test_a_projection_is_one_with_or_without_norm_and_pool(shortcut, kind):
    regions, skipped = census(Residual(body(4, 8, 2), shortcut), (1, 4, 9, 7))
    assert (kinds(regions), skipped) == ([kind], ())


class Tokens(nn.Module):
    """A convolution over tokens, and a linear layer beside it."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv1d(4, 6, 3, 1, 1), nn.Linear(4, 6)

    def forward(self, x):
        y = F.gelu(self.conv(x.transpose(1, 2))).transpose(1, 2)
        return y + self.linear(x)


def test_a_linear_layer_beside_a_body_is_a_projection():
    regions, skipped = census(Tokens(), (2, 5, 4))
    assert (kinds(regions), skipped) == (["projection"], ())


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_blocks_of_one_two_and_three_dimensions_are_found_alike(dims):
    conv, norm = getattr(nn, f"Conv{dims}d"), getattr(nn, f"BatchNorm{dims}d")
    pool, size = getattr(nn, f"AvgPool{dims}d"), (7, 6, 5)[:dims]

    def block(channels_in, channels, stride, shortcut):
        return Residual(
            nn.Sequential(
                conv(channels_in, channels, 3, stride, 1, bias=False), norm(channels), nn.ReLU(inplace=True),
                conv(channels, channels, 3, 1, 2, dilation=2, groups=2), norm(channels),
            ),
            shortcut,
            nn.ReLU(inplace=True),
        )  # fmt: skip

    projection = nn.Sequential(pool(2, ceil_mode=True), conv(4, 8, 1), norm(8))
    model = nn.Sequential(block(4, 4, 1, None), block(4, 8, 2, projection), block(8, 8, 2, pool(2, ceil_mode=True)))
    regions, skipped = census(model, (2, 4, *size))
    assert (kinds(regions), skipped) == (["identity", "projection", "padded"], ())
    assert all(region.verdict == "removable" for region in regions)


def functional_norm(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training, 0.1, norm.eps)


class FunctionalNorms(nn.Module):
    """Pre-activation with batch norms as functions on a module's tensors, as timm's BatchNormAct2d has them."""

    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, 3, 1, 1, bias=False) for _ in range(2))

    def forward(self, x):
        y = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            y = conv(F.relu_(functional_norm(norm, y)))
        return y.add_(x)


def test_functional_and_module_norms_are_the_same_to_the_census():
    regions, skipped = census(FunctionalNorms(), (2, 4, 6, 6))
    assert (kinds(regions), skipped) == (["identity"], ())
    layers = pytest.importorskip("timm.layers", reason="the zoo is an extra")
    timms = nn.Sequential(nn.Conv2d(4, 4, 3, 1, 1), layers.BatchNormAct2d(4), nn.Conv2d(4, 4, 3, 1, 1))
    regions, skipped = census(Residual(timms, None, layers.BatchNormAct2d(4)), (2, 4, 6, 6))
    assert (kinds(regions), skipped) == (["identity"], ())


class SharedBlocks(nn.Module):
    """One block called three times, whose one layer is called twice in each, and a projection that two blocks share."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 4, 3, 1, 1), nn.BatchNorm2d(4)
        self.project = nn.Conv2d(4, 4, 1)

    def block(self, x):
        return self.norm(self.conv(F.relu(self.norm(self.conv(x)), inplace=True)))

    def forward(self, x):
        x = F.relu(self.block(x) + x)
        x = F.relu(self.block(x) + self.project(x))
        return self.block(x) + self.project(x)


def test_shared_modules_are_no_obstacle_and_their_removal_changes_only_what_it_should():
    regions, skipped = census(SharedBlocks(), (1, 4, 7, 7))
    assert (kinds(regions), skipped) == (["identity", "projection", "projection"], ())
    model = seeded(SharedBlocks)
    before = Untouched(model)
    conversion = rdpass.convert(model, torch.randn(1, 4, 7, 7).relu(), recipe="carry", max_macs=9)
    before.check()
    assert len(conversion.removed) == 3
    assert error_between(conversion.student, model, torch.randn(2, 4, 7, 7).relu()) <= 1e-5


class Pyramid(nn.Module):
    """Two inputs, a trunk of three scales, a feature pyramid, heads of shared weights; a dict of lists comes out."""

    def __init__(self):
        super().__init__()
        self.stem, self.mask = conv_bn(3, 4), conv_bn(1, 4, 1)
        self.stages = nn.ModuleList([basic_block(4, 4), basic_block(4, 8, 2), basic_block(8, 8, 2)])
        self.laterals = nn.ModuleList(nn.Conv2d(width, 6, 1) for width in (4, 8, 8))
        self.smooth = nn.ModuleList(Residual(conv_bn(6, 6)) for _ in range(3))
        self.classes, self.boxes = nn.Conv2d(6, 2, 3, 1, 1), nn.Conv2d(6, 4, 3, 1, 1)

    def forward(self, image, mask):
        x = F.relu(self.stem(image) + self.mask(mask))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        levels = [lateral(x) for lateral, x in zip(self.laterals, maps, strict=True)]
        for k in (1, 0):
            levels[k] = levels[k] + F.interpolate(levels[k + 1], size=levels[k].shape[-2:], mode="nearest")
        levels = [smooth(level) for smooth, level in zip(self.smooth, levels, strict=True)]
        return {"scores": [self.classes(x) for x in levels], "boxes": [self.boxes(x).exp() for x in levels]}


def test_a_detector_with_two_inputs_has_the_shortcuts_of_its_trunk_and_heads_and_no_fusion_among_them():
    shapes = (1, 3, 12, 12), (1, 1, 12, 12)
    regions, skipped = census(Pyramid(), *shapes)
    assert kinds(regions) == ["identity", "projection", "projection", "merge", "merge", "merge"]
    reasons = [other.reason for other in skipped]
    assert reasons[0] == "its operands come from different inputs"
    assert len(reasons) == 3
    assert all("cross-scale" in reason for reason in reasons[1:])
    model, inputs = seeded(Pyramid), tuple(torch.randn(shape) for shape in shapes)
    conversion = rdpass.convert(model, inputs, recipe="carry", max_macs=9)
    assert len(conversion.removed) == 6
    assert error_between(conversion.student, model, *(torch.randn(2, *shape[1:]) for shape in shapes)) <= 1e-5


class HighResolution(nn.Module):
    """Two scales in parallel that are fused into each other, as HRNet's are."""

    def __init__(self):
        super().__init__()
        self.down, self.fine, self.coarse = conv_bn(4, 4, 3, 2), basic_block(4, 4), basic_block(4, 4)
        self.up, self.downwards = conv_bn(4, 4, 1), conv_bn(4, 4, 3, 2)

    def forward(self, x):
        fine, coarse = self.fine(x), self.coarse(self.down(x))
        upwards = F.interpolate(self.up(coarse), scale_factor=2.0)
        return F.relu(fine + upwards), F.relu(coarse + self.downwards(fine))


def test_fusions_of_parallel_scales_are_none_while_the_blocks_in_them_are():
    regions, skipped = census(HighResolution(), (1, 4, 8, 8))
    assert (kinds(regions), len(skipped)) == (["identity", "identity"], 2)


class RelativeAttention(nn.Module):
    """Attention with a bias per pair of positions and a mask, then a position embedding on what comes out."""

    def __init__(self, channels=4, positions=6):
        super().__init__()
        self.qkv, self.proj = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.bias = nn.Parameter(torch.randn(1, positions, positions))
        self.position = nn.Parameter(torch.randn(1, positions, channels))
        self.register_buffer("mask", torch.zeros(positions, positions).masked_fill(torch.eye(positions) > 0, -1.0))

    def forward(self, x):
        x = x + self.position
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        scores = q @ k.transpose(-2, -1) + self.bias
        scores = scores + self.mask
        return x + self.proj(scores.softmax(-1) @ v)


def test_adds_inside_attention_are_none_and_the_one_round_it_is_kept_unless_it_is_selected():
    regions, skipped = census(RelativeAttention(), (2, 6, 4))
    assert [(region.kind, region.verdict) for region in regions] == [("identity", "kept")]
    assert "attention in the body" in regions[0].reason
    assert ["constant or parameter" in other.reason for other in skipped] == [True] * 3
    selected, _ = census(RelativeAttention(), (2, 6, 4), only=(regions[0].add,))
    assert [region.verdict for region in selected] == ["removable"]


class Additions(nn.Module):
    """Everything that is added and is no shortcut: a number, a bias, what is broadcast, a concatenation beside them."""

    def __init__(self):
        super().__init__()
        self.conv, self.bias = nn.Conv2d(4, 4, 3, 1, 1, bias=False), nn.Parameter(torch.randn(4, 1, 1))
        self.join = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        y = self.conv(x) + self.bias
        y = y + y.mean((2, 3), keepdim=True)
        y = self.join(torch.cat([y, x], 1)) + 0.5
        return 1 + y


def test_numbers_biases_broadcasts_and_concatenations_are_no_shortcuts():
    regions, skipped = census(Additions(), (2, 4, 5, 5))
    assert regions == ()
    expected = ["constant or parameter", "is broadcast from (2, 4, 1, 1)", "is a number", "is a number"]
    assert len(skipped) == 4
    assert all(part in other.reason for part, other in zip(expected, skipped, strict=True))


def test_gates_groups_and_dilation_do_no_harm():
    layers = nn.Sequential(
        *conv_bn(4, 8, 1), nn.SiLU(), *conv_bn(8, 8, 3, groups=4), nn.SiLU(), SqueezeExcite(8),
        nn.Conv2d(8, 4, 3, 1, 3, dilation=3),
    )  # fmt: skip
    regions, skipped = census(Residual(layers), (1, 4, 9, 9))
    assert (kinds(regions), skipped) == (["identity"], ())


def test_three_branches_are_two_joins_and_a_second_run_on_the_student_finds_none():
    model = seeded(lambda: classifier(Branches(conv_bn(8, 8), conv_bn(8, 8, 1), nn.BatchNorm2d(8)), basic_block(8, 8)))
    x = torch.randn(1, 3, 9, 9)
    plan = rdpass.inspect(model, x)
    assert kinds(plan.regions) == ["merge", "merge", "identity"]
    student = rdpass.convert(model, x, recipe="carry", max_macs=9).student
    assert rdpass.inspect(student, x).regions == ()


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("test_vit", "attention"),
        ("test_convnext", "LayerNorm"),
        ("swin_tiny_patch4_window7_224", "attention"),
    ],
)
def test_blocks_of_transformers_and_convnext_are_kept_unless_selected(spec, reason):
    timm = pytest.importorskip("timm", reason="the zoo is an extra")
    torch.manual_seed(0)
    options = {"depths": (1, 1, 1, 1)} if spec.startswith("swin") else {}
    traced = trace(timm.create_model(spec, **options), torch.randn(1, 3, *_size(spec)))
    regions, _ = take_census(traced)
    assert regions
    assert all(region.verdict == "kept" and region.kind == "identity" for region in regions)
    assert any(reason in region.reason for region in regions)
    chosen = regions[0]
    selected, _ = take_census(traced, only=(chosen.path + "*",))
    verdicts = {region.add: region.verdict for region in selected}
    assert verdicts.pop(chosen.add) == "removable"
    assert "kept" in verdicts.values()


def _size(spec):
    return (224, 224) if spec.startswith("swin") else (160, 160)
