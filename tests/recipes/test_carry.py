"""``carry``: what is gone is gone exactly, within the budget, and what is left says why."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.recipes.carry import carry
from rdpass.training.request import Request
from tests.models import Residual, basic_block, classifier, conv_bn, seeded
from tests.support import Untouched, error_between

EXAMPLE = torch.randn(1, 3, 8, 8)


def removal(model, max_macs, example=EXAMPLE):
    traced = trace(model, example)
    before = Untouched(traced.module)
    found = carry(traced, plan_of(traced), Request(max_macs=max_macs))
    before.check()
    return found


def mixed():
    """One shortcut that merges, one that has to be carried, one that can't be either."""
    pooled = Residual(nn.Sequential(*conv_bn(8, 8), nn.MaxPool2d(3, 1, 1), *conv_bn(8, 8)))
    return classifier(Residual(nn.Sequential(*conv_bn(8, 8))), basic_block(8, 8), pooled)


def test_branches_merge_shortcuts_are_carried_and_what_can_not_be_says_why():
    model = seeded(mixed)
    found = removal(model, 100)
    assert [outcome.how for outcome in found.outcomes] == ["merged", "carried", "kept"]
    assert "a pooling in the body" in found.outcomes[-1].reason
    assert error_between(found.student.module, model, torch.randn(3, 3, 8, 8)) <= 1e-5


def test_within_no_more_than_the_model_has_only_what_is_free_goes():
    found = removal(seeded(mixed), 1.0)
    assert [outcome.how for outcome in found.outcomes] == ["merged", "kept", "kept"]
    assert "over the budget" in found.outcomes[1].reason


def test_batch_norms_are_folded_and_every_gate_was_held():
    found = removal(seeded(mixed), 100)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in found.student.module.modules())
    assert {"carry"} <= {gate.name for gate in found.gates}
    assert all(gate.error <= gate.tolerance for gate in found.gates)
    assert found.history == ()


@pytest.mark.parametrize("stride", [1, 2])
def test_odd_maps_and_projections_are_carried_too(stride):
    model = seeded(lambda: classifier(basic_block(8, 6, stride), channels=6))
    example = torch.randn(1, 3, 9, 7)
    found = removal(model, 100, example)
    assert [outcome.how for outcome in found.outcomes] == ["carried"]
    assert error_between(found.student.module, model, torch.randn(2, 3, 9, 7)) <= 1e-5
