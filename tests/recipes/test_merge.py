"""``merge``: linear branches in one convolution, at no cost; every other shortcut stays."""

import torch
from torch import nn

import rdpass
from rdpass.recipes.merge import MERGE
from tests.models import Branches, basic_block, classifier, conv_bn, seeded
from tests.support import Untouched, error_between

EXAMPLE = torch.randn(1, 3, 8, 8)


def branches(channels):
    return nn.Sequential(
        Branches(conv_bn(channels, channels), conv_bn(channels, channels, 1), nn.BatchNorm2d(channels)), nn.ReLU()
    )


def test_three_branches_become_one_convolution_that_costs_less():
    model = seeded(lambda: classifier(branches(4), channels=4))
    before = Untouched(model)
    result = rdpass.convert(model, EXAMPLE, recipe="merge")
    assert [outcome.how for outcome in result.outcomes] == ["merged", "merged"]
    convolutions = [module for module in result.student.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 2  # the stem's, and one for three branches
    assert result.cost.macs < result.plan.forecast.model.macs
    assert error_between(result.student, model, torch.randn(4, 3, 8, 8)) <= 1e-5
    before.check()


def test_a_residual_block_stays_with_a_reason_whatever_the_budget():
    model = seeded(lambda: classifier(branches(4), basic_block(4, 4), channels=4))
    result = rdpass.convert(model, EXAMPLE, recipe="merge", max_macs=100)
    assert [outcome.how for outcome in result.outcomes] == ["merged", "merged", "kept"]
    assert result.outcomes[-1].reason
    assert error_between(result.student, model, torch.randn(4, 3, 8, 8)) <= 1e-5


def test_it_takes_no_data_and_has_no_settings():
    assert not MERGE.needs_data
    assert MERGE.defaults == {}
