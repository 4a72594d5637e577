"""Scores: small weights count for little, and so does what the loss does not depend on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rdpass.passes.prune.find_channels import find_channels
from rdpass.passes.prune.importance import magnitude, taylor
from tests.models import small_resnet
from tests.passes.prune.nets import IMAGE, traced
from tests.support import Untouched


def two_layers():
    whole = traced(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 5, 1)))
    found = find_channels(whole.module, (IMAGE,))
    return whole.module, found, found.layers[0].writes


def test_a_channel_with_weights_half_as_large_in_all_its_layers_scores_a_quarter():
    module, found, units = two_layers()
    with torch.no_grad():
        for layer in (module.get_submodule("0"), module.get_submodule("2")):
            layer.weight.fill_(1.0)
        module.get_submodule("0").weight[2] *= 0.5
        module.get_submodule("2").weight[:, 2] *= 0.5
    scores = magnitude(module, found)
    assert scores[units[2]] == pytest.approx(scores[units[0]] / 4)
    assert scores[units[0]] == scores[units[1]] == scores[units[3]]
    assert sum(scores[unit] for unit in units) == pytest.approx(4)


def test_layers_of_any_scale_have_the_same_mean():
    whole = traced(small_resnet())
    with torch.no_grad():
        whole.module.get_submodule("1.body.0").weight *= 1000
    scores = magnitude(whole.module, find_channels(whole.module, (IMAGE,)))
    assert all(0 < score < 20 for score in scores.values())


def test_the_taylor_score_is_the_squared_sum_of_weights_times_gradients_of_all_layers_averaged_over_batches():
    module, found, units = two_layers()
    batches = [torch.randn(2, 3, 4, 4) for _ in range(3)]
    before = Untouched(module)
    scores = taylor(module, found, lambda copied: (copied(x).square().mean() for x in batches))
    before.check()
    wanted = 0.0
    for x in batches:
        weights = [module.get_submodule(path).weight for path in ("0", "2")]
        first, second = torch.autograd.grad(module(x).square().mean(), weights)
        weights = [weight.detach() for weight in weights]
        wanted += float((weights[0] * first)[1].sum() + (weights[1] * second)[:, 1].sum()) ** 2 / 3
    assert scores[units[1]] == pytest.approx(wanted, rel=1e-4)


def test_a_channel_that_nobody_reads_has_no_taylor_score_though_its_weights_are_the_largest():
    module, found, units = two_layers()
    with torch.no_grad():
        module.get_submodule("0").weight[3] *= 100
        module.get_submodule("2").weight[:, 3] = 0
    scores = taylor(module, found, lambda copied: [copied(IMAGE).square().mean()])
    assert min(units, key=lambda unit: scores[unit]) == units[3]
    assert magnitude(module, found)[units[3]] > 1
