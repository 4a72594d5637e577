"""Paths as settings ask for them."""

import copy

import pytest
import torch

from rdpass.capture.trace import trace
from rdpass.core.errors import ConfigError
from rdpass.inspection import plan_of
from rdpass.recipes.path_setup import path_objective
from rdpass.training.config import DistillConfig
from rdpass.training.objective import Batch
from rdpass.training.options import PathOptions
from rdpass.training.request import Request
from tests.models import (
    seeded,
)
from tests.recipes.nets import EXAMPLE, converted, three_stages
from tests.support import Untouched, error_between


def test_a_path_is_left_out_by_its_name_and_one_that_is_not_there_is_refused():
    model = seeded(three_stages)
    record = converted(model, "joint", paths=PathOptions(off=("add",))).history[-1]
    assert {name for name in record if name.startswith("loss.")} == {"loss.task", "loss.mixed_add_1"}
    with pytest.raises(ConfigError, match="no path at nowhere"):
        converted(model, "joint", paths=PathOptions(off=("nowhere",)))
    with pytest.raises(ConfigError, match="no path is left"):
        converted(model, "kd", paths=PathOptions(own=False))
    with pytest.raises(ConfigError, match=r"near: .'add"):
        converted(model, "joint", paths=PathOptions(cuts=("adds",)))


def objective_of(student=None, **paths):
    traced = trace(seeded(three_stages), EXAMPLE)
    before = Untouched(traced.module)
    plan = plan_of(traced)
    request = Request(config=DistillConfig(paths=PathOptions(**paths)))
    found = path_objective(copy.deepcopy(traced.module), traced, plan, request, {})
    before.check()
    return found, traced


def test_the_objective_works_on_a_copy_of_the_teacher():
    found, traced = objective_of(mixed=True)
    assert found.teacher is not traced.module
    assert error_between(found.teacher, traced.module, EXAMPLE) == 0


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ({}, {"task", "teacher"}),
        ({"mixed": True}, {"task", "teacher", "mixed_add", "mixed_add_1"}),
        ({"mixed": True, "off": ("add_1",)}, {"task", "teacher", "mixed_add"}),
        ({"mixed": True, "own": False}, {"mixed_add", "mixed_add_1"}),
        ({"mixed": True, "cuts": ("add_1",)}, {"task", "teacher", "mixed_add_1"}),
        ({"features": 1e-4}, {"task", "teacher", "features"}),
    ],
    ids=lambda given: str(sorted(given) if isinstance(given, set) else given),
)
def test_terms_are_those_that_were_asked_for(paths, names):
    found, _ = objective_of(**paths)
    assert set(found(Batch((torch.randn(4, 3, 8, 8),), torch.arange(4)))) == names


def test_features_are_measured_on_the_last_stages_channels():
    found, _ = objective_of(features=1e-4)
    (matching,) = found.matching.values()
    assert matching.margins.shape == (1, 8, 1, 1)
    assert (matching.margins < 0).all()
    bare, _ = objective_of(features=1e-4, transform=False)
    (plain,) = bare.matching.values()
    assert plain.margins is None
