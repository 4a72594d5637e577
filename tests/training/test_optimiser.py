"""The optimiser: what decays, and how the rate goes."""

import pytest
import torch
from torch import nn

from rdpass.training.config import DistillConfig
from rdpass.training.optimiser import learning_rate, make_optimiser


def test_the_learning_rate_warms_up_and_ends_near_zero():
    config = DistillConfig(lr=1.0, warmup=0.1)
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[0] < 0.11
    assert max(rates) == pytest.approx(1.0, abs=0.03)
    assert rates[-1] < 1e-3
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_biases_gains_and_norms_do_not_decay_and_frozen_weights_are_left_out():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.PReLU(4), nn.Linear(4, 2))
    model[3].weight.requires_grad_(False)
    gain = nn.Parameter(torch.ones(1, 4, 1, 1))
    model.register_parameter("gain", gain)
    decayed, free = make_optimiser(model, DistillConfig(weight_decay=0.01)).param_groups
    assert [id(p) for p in decayed["params"]] == [id(model[0].weight)]
    assert decayed["weight_decay"] == 0.01
    assert {id(p) for p in free["params"]} == {
        id(p) for p in (model[0].bias, model[1].weight, model[1].bias, model[2].weight, model[3].bias, gain)
    }
    assert free["weight_decay"] == 0.0


def test_momentum_is_nesterovs_and_may_be_none():
    model = nn.Linear(2, 2)
    for momentum, nesterov in ((0.9, True), (0.0, False)):
        group = make_optimiser(model, DistillConfig(momentum=momentum)).param_groups[0]
        assert (group["momentum"], group["nesterov"]) == (momentum, nesterov)


@pytest.mark.parametrize("warmup", [0.0, 0.5, 0.99])
def test_the_rate_is_positive_at_every_step_and_never_above_the_peak(warmup):
    config = DistillConfig(lr=0.3, warmup=warmup)
    for total in (1, 2, 7):
        assert all(0 < learning_rate(step, total, config) <= 0.3 for step in range(total))
