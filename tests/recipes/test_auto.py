from dataclasses import replace

import pytest
import torch
from torch import nn

import rdpass
from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.analysis.shortcuts.check_plain import find_not_plain
from rdpass.recipes.catalogue import find_recipe
from rdpass.training.config import DistillConfig
from rdpass.training.request import Request
from tests.data import batches
from tests.models import Branches, Residual, basic_block, classifier, conv_bn, seeded
from tests.support import Untouched, error_between

EXAMPLE = torch.randn(1, 3, 8, 8)


def repvgg(channels):
    branches = Branches(conv_bn(channels, channels), conv_bn(channels, channels, 1), nn.BatchNorm2d(channels))
    return nn.Sequential(branches, nn.ReLU())


def automatic(model, **options):
    settings = {"config": DistillConfig(epochs=1), "show_progress": False, "train": batches(2), **options}
    return rdpass.convert(model, EXAMPLE, **settings)


def hows(conversion):
    return [outcome.how for outcome in conversion.outcomes]


def test_where_everything_merges_nothing_is_trained():
    model = seeded(lambda: classifier(repvgg(4), repvgg(4), channels=4, classes=4))
    before = Untouched(model)
    conversion = automatic(model)
    assert hows(conversion) == ["merged"] * 4
    assert conversion.history == ()
    assert error_between(conversion.student, model, torch.randn(4, 3, 8, 8)) <= 1e-5
    assert find_not_plain(conversion.student) is None
    before.check()


def test_branches_beside_a_residual_block_are_merged_after_it_was_trained():
    model = seeded(lambda: classifier(repvgg(4), basic_block(4, 4), channels=4, classes=4))
    before = Untouched(model)
    conversion = automatic(model)
    assert hows(conversion) == ["merged", "merged", "distilled"]
    assert len(conversion.history) == 1
    assert find_not_plain(conversion.student) is None
    names = [gate.name for gate in conversion.gates]
    assert names.index("fold_branches") < len(names) - 1 - names[::-1].index("merge")
    before.check()


def test_what_is_saved_before_the_training_is_the_student_as_it_will_be_merged():
    model, saved = seeded(lambda: classifier(repvgg(4), basic_block(4, 4), channels=4, classes=4)), []
    traced = trace(model, EXAMPLE)
    request = Request(
        train=batches(1), config=DistillConfig(epochs=1), show_progress=False, check_saved=saved.append
    )  # fmt: skip
    recipe = find_recipe("auto", has_data=True)
    removal = recipe.remove(traced, plan_of(traced), replace(request, config=recipe.complete(request.config)))
    (student,) = saved
    assert find_not_plain(student.module) is None
    assert student.module.code == removal.student.module.code
    weights, final = student.module.state_dict(), removal.student.module.state_dict()
    assert {name: value.shape for name, value in weights.items()} == {n: value.shape for n, value in final.items()}


def test_branches_inside_a_residual_block_are_merged_first_so_that_it_is_a_chain():
    block = Residual(nn.Sequential(repvgg(4), conv_bn(4, 4)), None, nn.ReLU())
    model = seeded(lambda: classifier(block, channels=4, classes=4))
    conversion = automatic(model)
    assert hows(conversion) == ["merged", "merged", "distilled"]
    assert "migrated onto 2" in conversion.outcomes[-1].reason
    assert find_not_plain(conversion.student) is None


def test_what_could_be_carried_within_the_budget_is_trained_all_the_same():
    model = seeded(lambda: classifier(basic_block(4, 4), channels=4, classes=4))
    assert hows(automatic(model, max_macs=100)) == ["distilled"]
    assert hows(automatic(model, max_macs=100, train=None)) == ["carried"]


@pytest.mark.parametrize("train", [None, 1])
def test_a_shortcut_that_was_not_selected_stays(train):
    model = seeded(lambda: classifier(repvgg(4), basic_block(4, 4), channels=4, classes=4))
    conversion = automatic(model, train=batches(2) if train else None, skip=("add_2",), max_macs=100)
    assert hows(conversion) == ["merged", "merged", "kept"]
    assert conversion.outcomes[-1].reason == "left out by --skip"
    assert error_between(conversion.student, model, torch.randn(4, 3, 8, 8)) <= 1e-5
