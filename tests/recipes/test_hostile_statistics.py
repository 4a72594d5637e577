"""Networks whose maps give no statistics to speak of: dead and constant channels, no variance, hardly any samples.

Trained networks have such channels. A student starts as its teacher all the same, and nothing in it is ever NaN.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import rdpass
from rdpass.capture.trace import trace
from rdpass.core.errors import ConfigError, DivergedError
from rdpass.inspection import plan_of
from rdpass.passes.distill.calibrate_gates import calibrate_gates
from rdpass.passes.distill.fade_shortcuts import fade_shortcuts
from rdpass.passes.distill.moments import Moments
from rdpass.passes.distill.reparam_fold import fold_branches
from rdpass.passes.distill.reparam_init import initialise_branches, least_squares
from rdpass.passes.distill.reparam_plan import Reparam, plan_reparam
from rdpass.training.config import DistillConfig
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
)
from tests.strategies import blocks, wide_blocks
from tests.support import Untouched, error_between

ONE_EPOCH = DistillConfig(epochs=1, lr=1e-5)


def pre_activation_bottleneck():
    body = [nn.BatchNorm2d(8), nn.ReLU(), *conv_bn(8, 4, 1), nn.ReLU(), *conv_bn(4, 4), nn.ReLU(), nn.Conv2d(4, 8, 1)]
    return Residual(nn.Sequential(*body))


def gated_bottleneck():
    body = [*conv_bn(8, 4, 1), nn.ReLU(), *conv_bn(4, 4), nn.ReLU(), SqueezeExcite(4), *conv_bn(4, 8, 1)]
    return Residual(nn.Sequential(*body), None, nn.ReLU())


BODIES = {
    "basic": lambda: basic_block(8, 8),
    "pre-activation": lambda: PreActivation(8),
    "pre-activation bottleneck": pre_activation_bottleneck,
    "bottleneck": lambda: bottleneck(8, 4),
    "gated bottleneck": gated_bottleneck,
    "strided bottleneck": lambda: bottleneck(8, 4, stride=2, out=8),
    "inverted residual": lambda: inverted_residual(8, 12),
}


def norms(module):
    return [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]


def a_dead_channel(model):
    """ReLU lets nothing of the first channel through, wherever there is one."""
    for norm in norms(model):
        norm.weight.data[0], norm.bias.data[0] = 0.01, -50.0


def a_constant_channel(model):
    for norm in norms(model):
        norm.weight.data[0], norm.bias.data[0] = 0.0, 0.7


def no_scale(model):
    """Every norm of the block gives its bias alone (what zero-initialised residuals may end as)."""
    for norm in norms(model[1]):
        nn.init.zeros_(norm.weight)


def an_all_zero_map(model):
    """The stem gives zeros: the fork of the block, and what its shortcut carries."""
    nn.init.constant_(model[0][1].bias, -50.0), nn.init.constant_(model[0][1].weight, 0.01)


def a_dead_body(model):
    """No channel of the block's norms comes through a ReLU."""
    for norm in norms(model[1]):
        nn.init.constant_(norm.weight, 0.01), nn.init.constant_(norm.bias, -50.0)


def no_running_variance(model):
    """One channel of every norm of the block never varied in training."""
    for norm in norms(model[1]):
        norm.running_var[0] = 0.0


def nothing(model):
    """The network is sound; it is the images that are few."""


HOSTILE = (a_dead_channel, a_constant_channel, no_scale, an_all_zero_map, a_dead_body, no_running_variance, nothing)


def hostile(body, spoil):
    model = seeded(lambda: classifier(BODIES[body](), classes=4))
    spoil(model)
    return model


def random_images(count, size=4):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, size, size, generator=generator)
    return images, torch.arange(count) % 4


def finite(module):
    return all(torch.isfinite(value).all() for value in module.state_dict().values() if value.is_floating_point())


@pytest.mark.parametrize("count", [1, 16])
@pytest.mark.parametrize("spoil", HOSTILE)
@pytest.mark.parametrize("body", BODIES)
def test_a_start_without_variance_is_finite_and_the_teacher_itself(body, spoil, count):
    """One image of 2x2 positions: fewer samples than the eight channels of the block."""
    model, (images, _) = hostile(body, spoil), random_images(count, 2)
    traced = trace(model, images[:1])
    before = Untouched(traced.module)
    regions = plan_of(traced).removable
    reparams = [plan_reparam(traced.module, region) for region in regions]
    assert all(isinstance(each, Reparam) for each in reparams)
    fading = fade_shortcuts(traced.module, regions, initialise_branches(traced.module, reparams, [(images,)]))
    calibrate_gates(fading, (images,))
    assert finite(fading.module)
    assert error_between(fading.module, model, images) <= 1e-6
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), fading.module, images) <= 1e-4
    before.check()


def dead(norm, channels):
    norm.weight.data[channels], norm.bias.data[channels] = 0.01, -50.0


def constant(norm, channels):
    norm.weight.data[channels], norm.bias.data[channels] = 0.0, 0.7


def never_varied(norm, channels):
    norm.running_var[channels] = 0.0


SPOILT = st.tuples(st.sampled_from([dead, constant, never_varied]), st.sampled_from([slice(0, 1), slice(None)]))


@settings(max_examples=40, deadline=None)
@given(st.one_of(blocks(), wide_blocks()), st.lists(SPOILT, min_size=4, max_size=4), st.integers(1, 3))
def test_any_block_with_spoilt_norms_starts_finite_and_as_it_was(case, ways, count):
    block, sizes, seed = case
    model = seeded(lambda: block, seed)
    for norm, (way, channels) in zip(norms(model), ways, strict=False):
        way(norm, channels)
    model.double()
    images = torch.randn(count, *sizes[1:], dtype=torch.float64)
    traced = trace(model, images[:1])
    regions = plan_of(traced).removable
    reparams = [each for each in (plan_reparam(traced.module, r) for r in regions) if isinstance(each, Reparam)]
    fading = fade_shortcuts(traced.module, regions, initialise_branches(traced.module, reparams, [(images,)]))
    calibrate_gates(fading, (images,))
    assert finite(fading.module)
    assert error_between(fading.module, model, images) <= 1e-12
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), fading.module, images) <= 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["migrate", "anneal", "joint"])
@pytest.mark.parametrize("spoil", HOSTILE)
@pytest.mark.parametrize("body", ["basic", "pre-activation bottleneck", "bottleneck", "inverted residual"])
def test_a_network_without_variance_goes_through_every_start(body, spoil, recipe):
    model, (images, labels) = hostile(body, spoil), random_images(2)
    before = Untouched(model)
    paths = {"mixed": True, "features": 1e-6, "transform": "pre-activation" not in body}  # its margins are a norm's
    config = DistillConfig(epochs=1, lr=1e-5, paths=paths)
    batches = [(images, labels)]
    result = rdpass.convert(model, images[:1], recipe=recipe, train=batches, config=config, show_progress=False)
    assert [outcome.how for outcome in result.outcomes] == ["distilled"]
    assert finite(result.student)
    assert torch.isfinite(result.student(images)).all()
    starts = [gate.error for gate in result.gates if gate.name == f"{recipe}-start"]
    assert starts == ([] if recipe == "joint" else [pytest.approx(0, abs=1e-6)])
    before.check()


def test_a_stream_is_least_squares_on_what_varies_and_zero_where_nothing_does():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 4000, generator=generator).double()
    x[1], x[3] = 0.0, 2.5  # a dead channel, a constant one
    wanted = torch.randn(3, 6, generator=generator).double()
    both = torch.cat([x, wanted @ x])
    moments = Moments(both.mean(1), torch.cov(both, correction=0))
    weight = least_squares(moments, 3, torch.finfo(torch.float32).eps)
    alive = [0, 2, 4, 5]
    assert (weight[:, alive] - wanted[:, alive]).abs().max() < 0.005 * wanted.abs().max()  # the ridge, a thousandth
    assert weight[:, [1, 3]].abs().max() < 1e-9
    assert torch.linalg.cond(moments.covariance[:6, :6]) > 1e12


@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_a_constant_map_predicts_nothing_though_it_varies_by_rounding(noise):
    generator = torch.Generator().manual_seed(0)
    both = torch.cat([2.5 + noise * torch.randn(6, 500, generator=generator), torch.randn(3, 500, generator=generator)])
    moments = Moments(both.double().mean(1), torch.cov(both.double(), correction=0))
    assert torch.equal(least_squares(moments, 3, torch.finfo(torch.float32).eps), torch.zeros(3, 6).double())
    assert least_squares(moments, 3, torch.finfo(torch.float64).eps).isfinite().all()


def test_the_first_relu_of_a_pre_activation_block_may_let_nothing_through():
    """What a random search found: one channel, and the solver met a matrix of zeros."""
    body = [nn.BatchNorm2d(1), nn.ReLU(), nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 1)]
    body += [nn.ReLU(), nn.Conv2d(2, 1, 1), nn.BatchNorm2d(1)]
    model = seeded(lambda: Residual(nn.Sequential(*body)), 6).double()
    x = torch.randn(16, 1, 4, 4, dtype=torch.float64)
    assert model.body[:2](x).abs().max() == 0
    traced = trace(model, x[:1])
    (region,) = plan_of(traced).removable
    (start,) = initialise_branches(traced.module, [plan_reparam(traced.module, region)], [(x,)])
    assert start.maps[0].weight.abs().max() == 0
    fading = fade_shortcuts(traced.module, [region], [start])
    assert error_between(fading.module, model, x) <= 1e-12


def test_a_stream_below_an_activation_that_is_never_positive_is_finite():
    model = seeded(lambda: classifier(bottleneck(8, 4)))
    model[1].body[2] = nn.Hardtanh(-1.0, 0.0)
    images = random_images(16)[0]
    traced = trace(model, images[:1])
    regions = plan_of(traced).removable
    starts = initialise_branches(
        traced.module, [plan_reparam(traced.module, region) for region in regions], [(images,)]
    )
    fading = fade_shortcuts(traced.module, regions, starts)
    assert finite(fading.module)
    assert error_between(fading.module, model, images) <= 1e-6


def test_a_teacher_that_overflows_on_the_data_is_named_with_the_map():
    model, images = seeded(lambda: classifier(bottleneck(8, 4))), random_images(4)[0]
    model[0][0].weight.data *= 100
    traced = trace(model, images[:1])
    reparams = [plan_reparam(traced.module, region) for region in plan_of(traced).removable]
    with pytest.raises(DivergedError, match="the teacher's _0_2 is not finite on the training data"):
        initialise_branches(traced.module, reparams, [(torch.full_like(images, 3e38),)])


@pytest.mark.parametrize("recipe", ["migrate", "anneal", "joint"])
def test_a_batch_of_one_row_that_has_no_variance_is_refused_with_its_index(recipe):
    model, (images, labels) = hostile("bottleneck", nothing), random_images(5, 1)
    batches = [(images[:4], labels[:4]), (images[4:], labels[4:])]
    with pytest.raises(DivergedError, match=r"batch 1 has one row.*drop_last=True"):
        rdpass.convert(model, images[:1], recipe=recipe, train=batches, config=ONE_EPOCH, show_progress=False)


@pytest.mark.parametrize("recipe", ["migrate", "anneal", "joint"])
def test_a_batch_norm_that_divides_by_the_variance_alone_is_refused_by_name(recipe):
    model, batch = hostile("bottleneck", nothing), random_images(4)
    model[1].body[4].eps = 0.0
    with pytest.raises(ConfigError, match=r"batch norm 1\.body\.4 has eps 0\.0"):
        rdpass.convert(model, batch[0][:1], recipe=recipe, train=[batch], config=ONE_EPOCH, show_progress=False)
