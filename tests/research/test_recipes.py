"""Recipes of others, and merged pairs: they start as the teacher, end plain, and leave alone what they are given."""

import copy

import pytest
import torch
from torch import nn

import rdpass
from benchmarks.research.recipes import linear_pairs, one_by_one
from benchmarks.research.small_resnets import small_resnet
from rdpass.capture.trace import trace
from rdpass.core.errors import PassError
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.analysis.shortcuts.check_plain import check_plain
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.graph.fold_batch_norm import fold_batch_norm
from rdpass.recipes.preparation import prepared_teacher
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
    assert {gate.name for gate in result.gates} >= {"start", "settled"}


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


def plain_of(model, example):
    traced = prepared_teacher(trace(model, example))
    return fold_batch_norm(remove_shortcuts(traced.module, take_census(traced)[0]))


def test_pairs_between_blocks_merge_and_keep_the_numbers_of_what_has_no_activation_there():
    example = torch.randn(2, 1, 12, 12)
    plain = plain_of(seeded(bottlenecks).eval(), example)
    before = plain(example)
    names = frozenset(pair.activation for pair in linear_pairs.find_pairs(plain))
    assert len(names) == 5  # of six blocks
    annealed = copy.deepcopy(plain)
    activations = linear_pairs.anneal_activations(annealed, set(names)).values()
    assert torch.equal(annealed(example), before)
    for activation in activations:
        activation.strength = 1.0
    wanted = annealed(example).detach()
    merged = linear_pairs.merge_pairs(annealed, names)
    assert torch.allclose(merged(example), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
    assert not torch.allclose(wanted, before, rtol=1e-2)
    assert torch.equal(annealed(example), wanted)
    assert torch.equal(plain(example), before)
    assert macs_of(trace(merged, example).module) < macs_of(trace(annealed, example).module)


def test_an_activation_that_is_still_there_is_not_merged_away():
    model, example = seeded(bottlenecks).eval(), torch.randn(1, 1, 12, 12)
    plain = plain_of(model, example)
    names = frozenset(pair.activation for pair in linear_pairs.find_pairs(plain))
    annealed = linear_pairs.anneal_activations(plain, set(names))
    for activation in annealed.values():
        activation.strength = 0.75
    with pytest.raises(PassError, match=r"still an activation by 0\.25"):
        linear_pairs.merge_pairs(plain, names)


def test_basic_blocks_have_no_pair_and_inverted_residuals_none_that_saves_anything():
    for block in ("basic", "inverted"):
        plain = plain_of(small_resnet(block, 2, 4).eval(), torch.randn(1, 1, 14, 14))
        assert linear_pairs.find_pairs(plain) == ()


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
    assert {outcome.reason for outcome in result.outcomes} == {"migrated; 5 pairs of 1x1 convolutions merged"}
