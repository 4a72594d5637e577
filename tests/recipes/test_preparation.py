"""The teacher before training, and the shortcuts that are chosen."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.core.errors import ConfigError
from rdpass.inspection import plan_of
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.recipes.preparation import chosen_regions, prepared_teacher
from rdpass.training.config import DistillConfig
from rdpass.training.options import StudentOptions
from rdpass.training.request import Request
from tests.models import (
    seeded,
)
from tests.recipes.nets import EXAMPLE, converted, three_stages
from tests.support import Untouched, error_between


@pytest.mark.parametrize("recipe", ["migrate", "kd"])
def test_projections_stay_where_the_authors_variant_is_asked_for(recipe):
    result = converted(seeded(three_stages), recipe, student=StudentOptions(keep_projections=True))
    assert [outcome.how for outcome in result.outcomes] == ["distilled", "kept", "kept"]
    regions, _ = take_census(trace(result.student, EXAMPLE))
    assert [region.kind for region in regions] == ["projection", "projection"]


def test_the_teacher_is_prepared_without_assertions_and_computes_the_same():
    traced = trace(seeded(three_stages), EXAMPLE)
    before = Untouched(traced.module)
    prepared = prepared_teacher(traced)
    assert error_between(prepared.module, traced.module, torch.randn(3, 3, 8, 8)) <= 1e-6
    assert prepared.gates == ()
    before.check()


def test_padding_goes_into_the_convolution_behind_it():
    model = seeded(lambda: nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3), nn.ReLU()))
    prepared = prepared_teacher(trace(model, EXAMPLE))
    (conv,) = [module for module in prepared.module.modules() if isinstance(module, nn.Conv2d)]
    assert conv.padding == (1, 1)
    assert not any(isinstance(module, nn.ZeroPad2d) for module in prepared.module.modules())
    assert error_between(prepared.module, model, torch.randn(3, 3, 8, 8)) <= 1e-6


def test_a_batch_norm_that_would_divide_by_zero_is_refused_by_name():
    model = seeded(three_stages)
    model[0][1].eps = 0.0
    with pytest.raises(ConfigError, match=r"batch norm 0\.1 has eps 0\.0"):
        prepared_teacher(trace(model, EXAMPLE))


@pytest.mark.parametrize(
    ("skip", "keep", "kinds"),
    [
        ((), False, ["identity", "projection", "projection"]),
        ((), True, ["identity"]),
        (("add",), False, ["projection", "projection"]),
        (("*",), False, []),
    ],
)
def test_regions_are_those_that_may_go_and_are_asked_for(skip, keep, kinds):
    traced = trace(seeded(three_stages), EXAMPLE)
    plan = plan_of(traced, skip=skip)
    request = Request(skip=skip, config=DistillConfig(student=StudentOptions(keep_projections=keep)))
    assert [region.kind for region in chosen_regions(prepared_teacher(traced), plan, request)] == kinds
