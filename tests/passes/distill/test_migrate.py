import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rdpass.capture.trace import trace
from rdpass.core.errors import PassError
from rdpass.inspection import plan_of
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.analysis.shortcuts.check_plain import check_plain
from rdpass.passes.distill.calibrate_gates import calibrate_gates
from rdpass.passes.distill.fade_shortcuts import fade_shortcuts
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.distill.reparam_fold import fold_branches
from rdpass.passes.distill.reparam_init import initialise_branches
from rdpass.passes.distill.reparam_plan import Reparam, plan_reparam
from rdpass.passes.graph.annotate import annotate
from rdpass.passes.graph.layers import FadingAdd, GainedIdentity, ShiftedBias, StreamBranch
from tests.models import (
    PreActivation,
    Residual,
    SharedLayer,
    SqueezeExcite,
    TwoInputs,
    basic_block,
    bottleneck,
    classifier,
    conv_bn,
    inverted_residual,
    seeded,
    small_resnet,
)
from tests.strategies import blocks, wide_blocks
from tests.support import Untouched, error_between


def faded(model, *shape, **options):
    """The traced model, and its graph with every shortcut ready to fade, branches started from random images."""
    example = torch.randn(shape).to(next(model.parameters()))
    traced = trace(model, example)
    regions = plan_of(traced).removable
    planned = [plan_reparam(traced.module, region, **options) for region in regions]
    reparams = [each for each in planned if isinstance(each, Reparam)]
    images = [(torch.randn(16, *shape[1:]).to(example),) for _ in range(2)]
    return traced, fade_shortcuts(traced.module, regions, initialise_branches(traced.module, reparams, images))


def perturb(fading):
    """Every branch as far from its start as training might bring it."""
    for part in fading.modules():
        if isinstance(part, GainedIdentity):
            nn.init.uniform_(part.gain, -1, 1)
        elif isinstance(part, StreamBranch):
            nn.init.normal_(part.flat_weight, std=0.3)
            nn.init.normal_(part.bias, std=0.3)
        elif isinstance(part, ShiftedBias):
            nn.init.normal_(part.bias)


def gated(channels, width, at):
    """A bottleneck with squeeze-and-excitation before or after its last convolution."""
    body = [*conv_bn(channels, width, 1), nn.ReLU(), *conv_bn(width, width), nn.ReLU()]
    body += [SqueezeExcite(width)] if at == "middle" else []
    body += conv_bn(width, channels, 1)
    return Residual(nn.Sequential(*body, *([SqueezeExcite(channels)] if at == "end" else [])), None, nn.ReLU())


PLAIN = [
    (small_resnet, (2, 3, 9, 7), [2, 2, 2]),
    (lambda: classifier(bottleneck(8, 4)), (2, 3, 8, 8), [3]),
    (lambda: classifier(bottleneck(8, 4, groups=2)), (2, 3, 8, 8), [3]),
    (lambda: classifier(inverted_residual(8, 12)), (2, 3, 8, 8), [3]),
    (lambda: classifier(inverted_residual(8, 6, kernel=5)), (2, 3, 7, 9), [3]),
    (lambda: classifier(bottleneck(4, 4, out=8, stride=2)), (2, 3, 9, 7), [3]),
    (lambda: classifier(bottleneck(4, 4, out=8, stride=2), bottleneck(8, 3)), (2, 3, 8, 8), [3, 3]),
    (lambda: classifier(basic_block(4, 4, after=False), basic_block(4, 8, after=False)), (2, 3, 8, 8), [2, 2]),
    (lambda: classifier(Residual(nn.Sequential(*conv_bn(8, 8), nn.Dropout(0.5), nn.ReLU(), *conv_bn(8, 8)))),
     (2, 3, 8, 8), [2]),
    (lambda: classifier(Residual(nn.Sequential(*conv_bn(8, 8), nn.PReLU(8), *conv_bn(8, 8)))), (2, 3, 8, 8), [2]),
    (lambda: nn.Sequential(nn.Conv2d(3, 8, 1), PreActivation(8), PreActivation(8), nn.ReLU()), (2, 3, 8, 8), [2, 2]),
    (lambda: classifier(Residual(nn.Sequential(*conv_bn(4, 3), nn.ReLU(), *conv_bn(3, 8)),
                                 nn.Sequential(nn.AvgPool2d(1), *conv_bn(4, 8, 1)))), (2, 3, 8, 8), [2]),
    (lambda: classifier(Residual(nn.Sequential(*conv_bn(4, 4, stride=2), nn.ReLU(), *conv_bn(4, 8)),
                                 nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), *conv_bn(4, 8, 1)))),
     (2, 3, 9, 7), [2]),
]  # fmt: skip
GATED = [
    (lambda: classifier(gated(8, 4, "middle")), (2, 3, 8, 8), [3]),
    (lambda: classifier(gated(8, 4, "end")), (2, 3, 8, 8), [3]),
    (lambda: classifier(Residual(nn.Sequential(conv_bn(8, 8), nn.ReLU(), conv_bn(8, 8), SqueezeExcite(8)))),
     (2, 3, 8, 8), [2]),
]  # fmt: skip


@pytest.mark.parametrize(("build", "shape", "branches"), PLAIN + GATED)
def test_a_fading_graph_starts_as_the_model_and_settles_into_what_it_ends_as(build, shape, branches):
    model = seeded(build)
    traced, fading = faded(model, *shape)
    before = Untouched(traced.module)
    x = torch.randn(shape)
    assert list(fading.branches.values()) == branches
    assert error_between(fading.module, model, x) <= 1e-6
    perturb(fading.module)
    assert error_between(fading.module, model, x) <= 1e-6
    fading.set_faded(1.0)
    during = Untouched(fading.module)
    settled = fold_branches(fading.module)
    assert error_between(settled, fading.module, x) <= 1e-5
    assert error_between(settled, model, x) > 1e-3
    before.check()
    during.check()


@pytest.mark.parametrize(("build", "shape", "branches"), PLAIN)
def test_a_settled_graph_is_the_strictly_plain_network_of_the_same_cost(build, shape, branches):
    traced, fading = faded(seeded(build), *shape)
    fading.set_faded(1.0)
    settled, bare = fold_branches(fading.module), remove_shortcuts(traced.module, plan_of(traced).removable)
    for module in (settled, bare):
        annotate(module, traced.example)
    check_plain(settled)
    assert macs_of(settled) == macs_of(bare)


def test_a_batch_norm_that_no_convolution_precedes_is_named_as_what_is_not_plain():
    _, fading = faded(seeded(lambda: classifier(PreActivation(8))), 2, 3, 8, 8)
    fading.set_faded(1.0)
    with pytest.raises(PassError, match="_1_bn1: batch_norm"):
        check_plain(fold_branches(fading.module))


def test_a_graph_is_not_settled_before_its_shortcuts_have_faded():
    _, fading = faded(seeded(small_resnet), 1, 3, 8, 8)
    fading.set_faded({"add": 1.0, "add_1": 0.75, "add_2": 1.0})
    with pytest.raises(PassError, match=r"add_1 still has 0\.25"):
        fold_branches(fading.module)


def test_the_identity_keeps_its_whole_strength_on_the_way_by_roots_and_not_linearly():
    _, fading = faded(seeded(lambda: classifier(bottleneck(8, 4))), 1, 3, 8, 8)
    parts = [fading.module.get_submodule(name) for name in next(iter(fading.parts.values()))]
    for growth, kept in (("root", 1.0), ("linear", 0.5 + 0.125)):
        fading.set_faded(0.5, growth)
        strengths = [part.strength for part in parts]
        assert strengths[0] + strengths[1] * strengths[2] * strengths[3] == pytest.approx(kept)
    assert parts[1].bias_strength == parts[1].strength
    assert parts[3].bias_strength == pytest.approx(parts[3].strength ** 3)


def test_a_full_stream_reproduces_the_shortcut_where_nothing_else_is_in_its_channels():
    """With the body's own weights at zero and every direction kept, a settled block is the identity it replaced."""
    model = seeded(lambda: classifier(bottleneck(8, 8)))
    nn.init.zeros_(model[1].body[1].weight), nn.init.zeros_(model[1].body[1].bias)
    for norm in (model[1].body[4], model[1].body[7]):
        nn.init.zeros_(norm.weight), nn.init.zeros_(norm.bias)
    traced = trace(model, torch.randn(1, 3, 8, 8))
    regions = plan_of(traced).removable
    chain = plan_reparam(traced.module, regions[0])
    assert chain.form == "identities"  # all widths alike: no stream is needed
    stream = Reparam(chain.region, chain.chain, "stream", (0, 1, 2), 8, True)
    images = [(torch.randn(64, 3, 8, 8),)]
    fading = fade_shortcuts(traced.module, regions, initialise_branches(traced.module, [stream], images))
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), model, *images[0]) <= 0.05


def test_the_stream_carries_what_varies_most():
    model = seeded(lambda: classifier(bottleneck(8, 3)))
    traced = trace(model, torch.randn(1, 3, 8, 8))
    (reparam,) = [plan_reparam(traced.module, region) for region in plan_of(traced).removable]
    x = torch.randn(64, 3, 8, 8)
    (start,) = initialise_branches(traced.module, [reparam], [(x[:40],), (x[40:],)])
    with torch.no_grad():
        z = model[0](x).transpose(0, 1).flatten(1)
        p, q = start.maps[0], start.maps[2]
        rebuilt = q.weight @ (p.weight @ z + p.bias[:, None]) + q.bias[:, None]
    eigenvalues = torch.linalg.eigvalsh(torch.cov(z)).flip(0)
    left = (rebuilt - z).square().mean(1).sum() / torch.cov(z).trace()
    assert left.item() == pytest.approx((eigenvalues[3:].sum() / eigenvalues.sum()).item(), rel=1e-3)
    assert ((p.weight @ z + p.bias[:, None]) < 0).float().mean() < 0.05  # c = 2 std keeps coordinates above the ReLU


def test_a_bounded_activation_leaves_the_stream_below_its_bound():
    model = seeded(lambda: classifier(inverted_residual(8, 12)))
    nn.init.constant_(model[0][1].weight, 20.0)
    traced = trace(model, torch.randn(1, 3, 8, 8))
    (reparam,) = [plan_reparam(traced.module, region) for region in plan_of(traced).removable]
    x = torch.randn(64, 3, 8, 8)
    (start,) = initialise_branches(traced.module, [reparam], [(x,)])
    with torch.no_grad():
        z = model[0](x).transpose(0, 1).flatten(1)
        coordinates = start.maps[0].weight @ z + start.maps[0].bias[:, None]
    assert (coordinates > 6).float().mean() < 0.1
    assert (coordinates != 0).any(1).sum() == 8  # of the 12 hidden channels, those that carry the stream


def test_what_a_gate_takes_away_is_given_back_on_average():
    model = seeded(lambda: classifier(gated(8, 4, "end")))
    _, fading = faded(model, 2, 3, 8, 8)
    _, ungated = faded(seeded(lambda: classifier(bottleneck(8, 4))), 2, 3, 8, 8)
    largest = [f.module.get_submodule(next(iter(f.parts.values()))[3]).weight.abs().max() for f in (fading, ungated)]
    assert largest[0] > 1.2 * largest[1]  # a sigmoid's mean is below 1


def readings(fading, x, faded):
    """The mean of what each gate's first layer gives, its shift included, with norms that see the batch."""
    module = copy.deepcopy(fading.module)
    replace(fading, module=module).set_faded(faded)
    seen = {}
    for name, part in module.named_modules():
        part.train(faded > 0 and isinstance(part, nn.BatchNorm2d))
        if isinstance(part, ShiftedBias):
            part.register_forward_hook(lambda part, given, out, name=name: seen.update({name: out.mean(0).flatten()}))
    with torch.no_grad():
        module(x)
    return seen


@pytest.mark.parametrize("at", ["middle", "end"])
def test_a_gate_sees_on_average_what_it_saw_also_when_the_shortcut_has_moved_in(at):
    model = seeded(lambda: classifier(*(gated(8, 4, at) for _ in range(4))))
    x = torch.randn(32, 3, 8, 8)
    _, fading = faded(model, 2, 3, 8, 8)
    wanted, astray = readings(fading, x, 0.0), readings(fading, x, 1.0)
    before = {name: value.clone() for name, value in fading.module.state_dict().items()}
    calibrate_gates(fading, (x,))
    restored = readings(fading, x, 1.0)
    assert len(wanted) == 4
    for name, mean in wanted.items():
        assert (astray[name] - mean).norm() > 0.02 * mean.norm()
        assert (restored[name] - mean).norm() < 1e-4 * mean.norm()
    changed = {name for name, value in fading.module.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"{name}.bias" for name in wanted}
    assert error_between(fading.module, model, x) <= 1e-6
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), fading.module, x) <= 1e-5


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


@pytest.mark.parametrize("place", [3, 5])
def test_what_is_multiplied_by_a_number_inside_the_body_is_divided_by_it(place):
    """Normaliser-free networks have such numbers where they fold into no layer."""
    layers = [*conv_bn(8, 8), nn.ReLU(), *conv_bn(8, 8)]
    layers.insert(place, Times(2.5))
    model = seeded(lambda: classifier(Residual(nn.Sequential(*layers))))
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
    _, fading = faded(model, 2, 3, 8, 8)
    assert list(fading.branches.values()) == [2]
    fading.set_faded(1.0)  # the body gives nothing but what its branches carry
    assert error_between(fading.module, model, torch.randn(2, 3, 8, 8)) <= 1e-6


class LinearGate(nn.Module):
    """Squeeze-and-excitation by linear layers, the first of them without a bias."""

    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Linear(channels, 3, bias=False), nn.Linear(3, channels)

    def forward(self, x):
        n, c, _, _ = x.size()
        pooled = nn.functional.adaptive_avg_pool2d(x, 1).view(n, c)
        return x * torch.sigmoid(self.up(torch.relu(self.down(pooled)))).view(n, c, 1, 1).expand_as(x)


def test_a_gate_of_linear_layers_has_a_shift_that_folds_into_the_first():
    body = nn.Sequential(*conv_bn(8, 8), nn.ReLU(), *conv_bn(8, 8), LinearGate(8))
    model = seeded(lambda: classifier(Residual(body)))
    x = torch.randn(4, 3, 8, 8)
    _, fading = faded(model, 2, 3, 8, 8)
    calibrate_gates(fading, (x,))
    fading.set_faded(1.0)
    settled = fold_branches(fading.module)
    assert error_between(settled, fading.module, x) <= 1e-5
    assert not any(isinstance(part, ShiftedBias) for part in settled.modules())
    assert sum(part.bias is None for part in settled.modules() if isinstance(part, nn.Linear)) == 0


class OneKernelForAllChannels(nn.Module):
    """ECA: a convolution along the channels, whose one bias is no channel's own; the gate is expanded by hand."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x):
        n, c, _, _ = x.size()
        gate = torch.sigmoid(self.conv(x.mean((2, 3)).unsqueeze(1)))
        return x * gate.reshape(n, c, 1, 1).expand_as(x)


def test_a_gate_without_a_number_per_channel_has_no_shift():
    body = nn.Sequential(*conv_bn(8, 8), nn.ReLU(), *conv_bn(8, 8), OneKernelForAllChannels())
    model = seeded(lambda: classifier(Residual(body)))
    _, fading = faded(model, 2, 3, 8, 8)
    assert list(fading.branches.values()) == [2]
    assert fading.shifts == {"add": ()}


class Opaque(nn.Module):
    """Two maps of one shape multiplied: no gate, and nothing to go round."""

    def __init__(self):
        super().__init__()
        self.a, self.b = conv_bn(8, 8), conv_bn(8, 8)

    def forward(self, x):
        return torch.relu(self.a(x) * self.b(x) + x)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (Opaque, "branches at"),
        (lambda: Residual(nn.Sequential(nn.Conv2d(8, 4, 1, groups=2), nn.ReLU(), nn.Conv2d(4, 8, 1))), "is grouped"),
        (lambda: Residual(nn.Sequential(nn.Conv2d(8, 4, 1), nn.InstanceNorm2d(4), nn.Conv2d(4, 8, 1))), "other_norm"),
    ],
)  # fmt: skip
def test_where_nothing_fits_the_shortcut_still_fades_and_says_why(build, reason):
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 8, 1), build(), nn.Conv2d(8, 2, 1)))
    x = torch.randn(2, 3, 8, 8)
    traced = trace(model, x)
    regions = plan_of(traced, only=("*",)).removable
    (why,) = [plan_reparam(traced.module, region) for region in regions]
    assert isinstance(why, str)
    assert reason in why
    fading = fade_shortcuts(traced.module, regions)
    assert sum(isinstance(part, FadingAdd) for part in fading.module.modules()) == 1
    assert error_between(fading.module, model, x) <= 1e-6
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), fading.module, x) <= 1e-5


def test_without_streams_a_bottleneck_has_an_identity_on_its_middle_alone():
    _, fading = faded(seeded(lambda: classifier(bottleneck(8, 4))), 1, 3, 8, 8, stream=False)
    assert list(fading.branches.values()) == [1]


def test_a_shortcut_whose_weight_is_computed_after_the_body_fades_too():
    class Computed(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(*conv_bn(4, 8), nn.ReLU(), *conv_bn(8, 8))
            self.weight = nn.Parameter(torch.randn(8, 4, 1, 1))

        def forward(self, x):
            y = self.body(x)
            return y + nn.functional.conv2d(x, self.weight / self.weight.std())

    model = seeded(lambda: classifier(Computed()))
    _, fading = faded(model, 2, 3, 8, 8)
    assert list(fading.branches.values()) == [2]
    x = torch.randn(2, 3, 8, 8)
    assert error_between(fading.module, model, x) <= 1e-6
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), fading.module, x) <= 1e-5


def test_a_shared_layer_takes_a_different_identity_at_each_place():
    model = seeded(lambda: nn.Sequential(SharedLayer(), nn.Conv2d(4, 2, 1)))
    _, fading = faded(model, 2, 4, 7, 7)
    x = torch.randn(2, 4, 7, 7)
    assert error_between(fading.module, model, x) <= 1e-6
    perturb(fading.module)
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), fading.module, x) <= 1e-5


def test_a_shortcut_beside_a_second_input_fades():
    class Guided(nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.beside, self.head = basic_block(3, 3), TwoInputs(), nn.Conv2d(3, 2, 1)

        def forward(self, x, y):
            return self.head(self.block(self.beside(x, y)))

    model = seeded(Guided)
    example = (torch.randn(2, 3, 7, 5), torch.randn(2, 3, 7, 5))
    traced = trace(model, example)
    regions = plan_of(traced).removable
    reparams = [plan_reparam(traced.module, region) for region in regions]
    fading = fade_shortcuts(traced.module, regions, initialise_branches(traced.module, reparams, [example]))
    assert error_between(fading.module, model, *example) <= 1e-6
    perturb(fading.module)
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), fading.module, *example) <= 1e-5


@settings(max_examples=40, deadline=None)
@given(st.one_of(blocks(), wide_blocks()))
def test_any_chain_of_convolutions_starts_as_it_was_and_settles_into_what_it_ends_as(case):
    block, sizes, seed = case
    model = seeded(lambda: block, seed).double()
    _, fading = faded(model, *sizes)
    x = torch.randn(2, *sizes[1:], dtype=torch.float64)
    assert error_between(fading.module, model, x) <= 1e-12
    perturb(fading.module)
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), fading.module, x) <= 1e-10


@pytest.mark.parametrize("block", [basic_block(8, 8), bottleneck(8, 4), inverted_residual(8, 12), PreActivation(8)])
def test_the_branches_and_the_body_learn_while_the_shortcut_fades(block):
    _, fading = faded(seeded(lambda: classifier(block)), 2, 3, 9, 9)
    for u in (0.0, 0.5, 1.0):
        fading.set_faded(u)
        fading.module.zero_grad()
        fading.module.train()(torch.randn(4, 3, 9, 9)).square().sum().backward()
        assert all(parameter.grad is not None for parameter in fading.module.parameters())
