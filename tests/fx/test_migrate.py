import pytest
import torch
from hypothesis import given, settings
from torch import nn

from rdpass.inspection import plan_of
from rdpass.layers import FadingAdd, GainedIdentity
from rdpass.passes.fx.census import take_census
from rdpass.passes.fx.fade_shortcuts import fade_shortcuts
from rdpass.passes.fx.operators import kind_of
from rdpass.passes.fx.settle_shortcuts import settle_shortcuts
from rdpass.passes.fx.shapes import annotate_shapes
from rdpass.tracing import trace
from rdpass.types import Traced
from tests.models import (
    PreActivation,
    Residual,
    SharedLayer,
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

PLAIN = {"placeholder", "output", "conv", "activation", "pool", "linear", "view", "pass"}


def faded(model, *shape):
    traced = trace(model, torch.randn(shape))
    return traced, fade_shortcuts(traced.module, plan_of(traced).removable)


def perturb_gains(module):
    for part in module.modules():
        if isinstance(part, GainedIdentity):
            nn.init.uniform_(part.gain, -1, 1)


MODELS = [
    (small_resnet, (2, 3, 9, 7), [2, 2, 2]),
    (lambda: classifier(bottleneck(8, 4)), (2, 3, 8, 8), [1]),
    (lambda: classifier(bottleneck(8, 4, groups=2)), (2, 3, 8, 8), [1]),
    (lambda: classifier(inverted_residual(8, 12)), (2, 3, 8, 8), [1]),
    (lambda: classifier(bottleneck(4, 4, out=8, stride=2)), (2, 3, 8, 8), [0]),
    (lambda: classifier(basic_block(4, 4, after=False), basic_block(4, 8, after=False)), (2, 3, 8, 8), [2, 2]),
    (lambda: classifier(Residual(nn.Sequential(*conv_bn(8, 8), nn.Dropout(0.5), nn.ReLU(), *conv_bn(8, 8)))),
     (2, 3, 8, 8), [2]),
]  # fmt: skip


@pytest.mark.parametrize(("build", "shape", "identities"), MODELS)
def test_a_fading_graph_starts_as_the_model_and_settles_into_what_it_ends_as(build, shape, identities):
    model = seeded(build)
    traced, fading = faded(model, *shape)
    before = Untouched(traced.module)
    x = torch.randn(shape)
    assert list(fading.identities.values()) == identities
    fading.set_progress(0.0)
    assert error_between(fading.module, model, x) <= 1e-6
    perturb_gains(fading.module)
    fading.set_progress(1.0)
    during = Untouched(fading.module)
    settled = settle_shortcuts(fading.module)
    assert error_between(settled, fading.module, x) <= 1e-5
    assert error_between(settled, model, x) > 1e-3
    before.check()
    during.check()


@pytest.mark.parametrize(("build", "shape", "identities"), MODELS)
def test_a_settled_graph_is_strictly_plain(build, shape, identities):
    _, fading = faded(seeded(build), *shape)
    fading.set_progress(1.0)
    settled = settle_shortcuts(fading.module)
    example = (torch.randn(shape),)
    annotate_shapes(settled, example)
    assert {kind_of(settled, node) for node in settled.graph.nodes} <= PLAIN
    assert take_census(Traced(settled, example)) == ((), ())
    assert all(len(node.users) == 1 for node in settled.graph.nodes if node.op != "output")


def test_the_projection_lands_in_the_first_convolution_and_costs_nothing_afterwards():
    model = seeded(lambda: classifier(basic_block(4, 8, 2)))
    _, fading = faded(model, 1, 3, 8, 8)
    fading.set_progress(1.0)
    settled = settle_shortcuts(fading.module)
    weights = sum(p.numel() for p in settled.parameters() if p.ndim == 4)
    assert weights == 4 * 3 * 9 + 8 * 4 * 9 + 8 * 8 * 9


@pytest.mark.parametrize(
    "block", [PreActivation(8), Residual(nn.Sequential(conv_bn(8, 8), nn.ReLU(), conv_bn(8, 8), SqueezeExcite(8)))]
)
def test_where_no_identity_fits_the_shortcut_still_fades(block):
    model = seeded(lambda: classifier(block))
    _, fading = faded(model, 2, 3, 8, 8)
    assert sum(isinstance(part, FadingAdd) for part in fading.module.modules()) == 1
    x = torch.randn(2, 3, 8, 8)
    assert error_between(fading.module, model, x) <= 1e-6
    fading.set_progress(1.0)
    assert error_between(settle_shortcuts(fading.module), fading.module, x) <= 1e-5


def test_a_shortcut_whose_weight_is_computed_after_the_body_fades_too():
    class Computed(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.weight = nn.Sequential(*conv_bn(4, 8)), nn.Parameter(torch.randn(8, 4, 1, 1))

        def forward(self, x):
            y = self.body(x)
            return y + nn.functional.conv2d(x, self.weight / self.weight.std())

    model = seeded(lambda: classifier(Computed()))
    _, fading = faded(model, 2, 3, 8, 8)
    assert list(fading.identities.values()) == [0]
    assert error_between(fading.module, model, torch.randn(2, 3, 8, 8)) <= 1e-6


def test_a_shared_layer_takes_a_different_identity_at_each_place():
    model = seeded(lambda: nn.Sequential(SharedLayer(), nn.Conv2d(4, 2, 1)))
    _, fading = faded(model, 2, 4, 7, 7)
    assert error_between(fading.module, model, torch.randn(2, 4, 7, 7)) <= 1e-6
    perturb_gains(fading.module)
    fading.set_progress(1.0)
    assert error_between(settle_shortcuts(fading.module), fading.module, torch.randn(2, 4, 7, 7)) <= 1e-5


@settings(max_examples=40, deadline=None)
@given(blocks())
def test_any_chain_of_convolutions_starts_as_it_was_and_settles_into_what_it_ends_as(case):
    block, sizes, seed = case
    model = seeded(lambda: block, seed).double()
    traced = trace(model, torch.randn(sizes, dtype=torch.float64))
    fading = fade_shortcuts(traced.module, plan_of(traced).removable)
    x = torch.randn(2, *sizes[1:], dtype=torch.float64)
    assert error_between(fading.module, model, x) <= 1e-12
    perturb_gains(fading.module)
    fading.set_progress(1.0)
    assert error_between(settle_shortcuts(fading.module), fading.module, x) <= 1e-10


def test_the_gains_and_the_body_learn_while_the_shortcut_fades():
    _, fading = faded(seeded(small_resnet), 2, 3, 9, 9)
    fading.set_progress(0.5)
    fading.module.train()(torch.randn(4, 3, 9, 9)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in fading.module.parameters())
