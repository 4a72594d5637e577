"""Exact removal: the cheapest shortcuts first, nested ones with what is round them, a reason for each that stays."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.analysis.cost import macs_of
from rdpass.recipes.exact import EXACT_TOLERANCE, remove_shortcuts_exactly
from rdpass.training.request import Request
from tests.models import Residual, basic_block, bottleneck, classifier, conv_bn, seeded
from tests.support import Untouched, error_between

EXAMPLE = torch.randn(1, 3, 8, 8)


def removed(build, max_macs=100.0, **options):
    model = seeded(build)
    traced = trace(model, EXAMPLE)
    before = Untouched(traced.module)
    found = remove_shortcuts_exactly(traced, plan_of(traced), Request(max_macs=max_macs), **options)
    before.check()
    assert error_between(found.student.module, model, torch.randn(3, 3, 8, 8)) <= EXACT_TOLERANCE
    return found


def three_blocks():
    return classifier(basic_block(8, 8), bottleneck(8, 4), Residual(nn.Sequential(*conv_bn(8, 8))))


def test_the_student_stays_trainable_with_its_batch_norms_where_no_layer_changed():
    found = removed(three_blocks)
    kinds = [type(module) for module in found.student.module.modules()]
    assert nn.BatchNorm2d in kinds


def test_of_shortcuts_that_the_budget_does_not_cover_the_cheapest_go():
    all_gone = removed(three_blocks)
    model = macs_of(trace(seeded(three_blocks), EXAMPLE).module)
    assert {outcome.how for outcome in all_gone.outcomes} == {"carried", "merged"}
    counts = []
    for budget in (1.0, 1.2, 1.5, 2.0, 3.0):
        found = removed(three_blocks, budget)
        assert macs_of(found.student.module) <= budget * model
        counts.append(sum(outcome.how != "kept" for outcome in found.outcomes))
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert counts[-1] > counts[0]


def test_what_is_dearer_than_allowed_stays_though_there_is_budget():
    found = removed(three_blocks, dearest=0)
    assert [outcome.how for outcome in found.outcomes] == ["kept", "kept", "merged"]


def test_only_what_the_recipes_asked_for_take_goes():
    found = removed(three_blocks, recipes=("merge",))
    assert [outcome.how for outcome in found.outcomes] == ["kept", "kept", "merged"]
    assert [gate.name for gate in found.gates][-1] == "merge"


def test_a_block_inside_a_block_goes_first():
    outer = Residual(nn.Sequential(Residual(nn.Sequential(*conv_bn(8, 8))), *conv_bn(8, 8)))
    found = removed(lambda: classifier(outer))
    assert [outcome.how for outcome in found.outcomes] == ["merged", "carried"]


@pytest.mark.parametrize("max_macs", [0.0, 0.5])
def test_without_any_budget_what_costs_nothing_still_goes(max_macs):
    found = removed(lambda: classifier(basic_block(8, 8)), max_macs)
    (outcome,) = found.outcomes
    assert outcome.how == "kept"
    assert outcome.reason
