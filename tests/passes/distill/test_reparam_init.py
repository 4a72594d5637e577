"""What the branches start as, from statistics."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.distill.fade_shortcuts import fade_shortcuts
from rdpass.passes.distill.reparam_fold import fold_branches
from rdpass.passes.distill.reparam_init import initialise_branches
from rdpass.passes.distill.reparam_plan import Reparam, plan_reparam
from tests.models import (
    Residual,
    bottleneck,
    classifier,
    conv_bn,
    inverted_residual,
    seeded,
)
from tests.passes.distill.fading import faded, gated
from tests.support import error_between


def test_a_full_stream_reproduces_the_shortcut_where_nothing_else_is_in_its_channels():
    """With the body's own weights at zero and every direction kept, a folded block is the identity it replaced."""
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
