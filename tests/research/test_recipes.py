"""Recipes of others, and merged pairs: they start as the teacher, end plain, and leave alone what they are given."""

import copy

import pytest
import torch
from torch import nn

import rdpass
from benchmarks.research.recipes import linear_pairs, one_by_one
from benchmarks.research.small_resnets import small_resnet
from rdpass.capture.trace import trace
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.analysis.shortcuts.check_plain import check_plain
from rdpass.training.config import DistillConfig
from tests.models import seeded
from tests.recipes.nets import EXAMPLE, converted, hostile

RECIPES = (one_by_one.REMOVER, one_by_one.SHORTENER, linear_pairs.NAME)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_student_is_plain_and_its_teacher_untouched(recipe):
    model = seeded(hostile)
    before = copy.deepcopy(model.state_dict())
    result = converted(model, recipe, lr=0.01)
    check_plain_but_for_gates(result.student)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in result.student.modules())
    names = {gate.name for gate in result.gates}
    assert "settled" in names
    assert names & {"start", "migrate-start"}


def check_plain_but_for_gates(student):
    """The gated block keeps its product."""
    regions, skipped = take_census(trace(student, EXAMPLE))
    assert not regions
    assert not [each for each in skipped if each.add.startswith("add")]


def test_shortcuts_leave_one_after_another_from_the_input_on():
    adds = ["add", "add_1", "add_2", "add_3"]
    counts = [sum(one_by_one.gone(adds, step / 8, 1.0).values()) for step in range(9)]
    assert counts == [1, 1, 2, 2, 3, 3, 4, 4, 4]
    assert one_by_one.gone(adds, 0.3, 0.75) == {"add": 1.0, "add_1": 1.0, "add_2": 0.0, "add_3": 0.0}
    assert set(one_by_one.gone(adds, 0.74, 0.75).values()) == {1.0}


def test_a_shortened_shortcut_folds_with_a_gain_of_one_where_a_layer_keeps_its_shape():
    """Nothing is learnt at such a rate, so what the two students differ in is the identities alone."""
    students = []
    for recipe in (one_by_one.SHORTENER, one_by_one.REMOVER):
        model = seeded(lambda: small_resnet("unnormalised", 1, 4, 4, 3))
        students.append(converted(model, recipe, lr=1e-12, weight_decay=0.0).student)
    convolutions = [[m for m in student.modules() if isinstance(m, nn.Conv2d)] for student in students]
    added = [(one.weight - other.weight)[:, :, 1, 1] for one, other in zip(*convolutions, strict=True)]
    for place in (1, 2, 4, 6):  # all but the stem and the two that change the width
        assert torch.allclose(added[place], torch.eye(len(added[place])), atol=1e-5)
    assert not added[0].any()
    assert added[3].any()  # the projection went round it


def bottlenecks():
    return small_resnet("bottleneck", 2, 4)


def test_merged_students_are_plain():
    images = torch.randn(3, 8, 1, 12, 12)
    loader = [(each, torch.arange(8) % 10) for each in images]
    model = seeded(bottlenecks)
    result = rdpass.convert(
        model, images[0][:1], recipe=linear_pairs.NAME, train=loader, config=DistillConfig(epochs=2, fade=0.5, lr=0.01),
        show_progress=False,
    )  # fmt: skip
    check_plain(result.student)
    kernels = [tuple(m.weight.shape) for m in result.student.modules() if isinstance(m, nn.Conv2d)]
    assert kernels.count((4, 4, 1, 1)) == 1
    assert len(result.merging.pairs) == 5  # of six blocks


def test_merged_pairs_are_what_migrate_does_when_asked():
    model = seeded(bottlenecks)
    images = torch.randn(2, 8, 1, 12, 12)
    loader = [(each, torch.arange(8) % 10) for each in images]
    students = [
        rdpass.convert(model, images[0][:1], recipe=recipe, train=loader, config=DistillConfig(epochs=1, **settings),
                       show_progress=False).student
        for recipe, settings in ((linear_pairs.NAME, {}), ("migrate", {"student": {"merge_pairs": True}}))
    ]  # fmt: skip
    values = [student.state_dict().values() for student in students]
    assert all(map(torch.equal, *values))
