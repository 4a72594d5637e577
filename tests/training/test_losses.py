"""Losses of outputs: labels, tempered divergence, relative distance."""

import re
from collections import OrderedDict

import pytest
import torch
from torch import nn

from rdpass.core.errors import ConfigError
from rdpass.training.config import DistillConfig
from rdpass.training.losses import (
    IGNORED,
    Criteria,
    check_classes,
    check_logits,
    cross_entropy,
    divergence,
    find_distance,
    find_loss,
    relative_distance,
)
from rdpass.training.objective import Batch


def test_the_loss_is_the_labels_cross_entropy_and_the_tempered_divergence():
    student, wanted = torch.tensor([[1.0, 2.0, 0.5]]), torch.tensor([[0.0, 3.0, 1.0]])
    labels = torch.tensor([1])
    p, q = (wanted / 4).softmax(1), (student / 4).softmax(1)
    divergence = 16 * (p * (p / q).log()).sum()
    expected = 0.1 * nn.functional.cross_entropy(student, labels) + 0.9 * divergence
    terms = Criteria(DistillConfig()).terms(student, wanted, Batch((student,), labels))
    assert sum(terms.values()).item() == pytest.approx(expected.item(), rel=1e-5)
    alone = Criteria(DistillConfig()).terms(wanted, wanted, Batch((student,)))
    assert alone.keys() == {"teacher"}
    assert alone["teacher"].item() == pytest.approx(0, abs=1e-6)


def test_the_distance_from_a_teacher_that_gives_zeros_is_absolute():
    assert relative_distance(torch.full((2, 3), 2.0), torch.zeros(2, 3)) == 4
    assert relative_distance(torch.full((2, 3), 2.0), torch.full((2, 3), 1e-3)) == pytest.approx(1.999**2 * 1e6)


def test_a_loss_and_a_distance_of_the_users_take_the_place_of_ours():
    batch = Batch((torch.zeros(2, 3),), "anything")
    criteria = Criteria(DistillConfig(alpha=0.5), lambda out, given: out.sum(), None)
    outputs = torch.ones(2, 3)
    terms = criteria.terms(outputs, 2 * outputs, batch)
    assert terms["task"].item() == 3.0
    assert terms["teacher"].item() == pytest.approx(0.5 * 0.25)  # (1 - 2)^2 over 2^2


def test_the_relative_distance_is_free_of_scale_and_over_all_floating_outputs():
    wanted = {"a": torch.randn(4, 3), "b": [torch.randn(2), torch.tensor([1, 2])]}
    outputs = {"a": 1.1 * wanted["a"], "b": [0.9 * wanted["b"][0], torch.tensor([3, 4])]}
    assert relative_distance(outputs, wanted).item() == pytest.approx(0.01, rel=1e-4)
    large = relative_distance({"a": 1e3 * outputs["a"]}, {"a": 1e3 * wanted["a"]})
    assert large.item() == pytest.approx(0.01, rel=1e-4)
    with pytest.raises(ConfigError, match="no floating-point output to distil"):
        relative_distance([torch.tensor([1])], [torch.tensor([1])])


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (torch.zeros(3), r"a tensor of shape \(3,\)"),
        ((torch.zeros(2, 3), torch.zeros(2, 3)), "tuple"),
        ({"features": torch.zeros(2, 3), "logits": torch.zeros(2)}, "dict"),
        ({}, "dict"),
        (torch.zeros(2, 1, 8, 8), r"a tensor of shape \(2, 1, 8, 8\)"),  # whose softmax is 1 whatever it learns
    ],
)
def test_what_are_no_logits_are_named(outputs, said):
    with pytest.raises(ConfigError, match=f"this one gave {said}"):
        check_logits(outputs)


class Output(OrderedDict):
    """As transformers gives its outputs: by name, without those that were not asked for."""


def test_the_only_tensor_of_the_outputs_is_logits_and_so_is_what_is_called_so_among_several():
    logits, others = torch.zeros(2, 3), torch.ones(2, 4)
    for outputs in (logits, (logits,), [logits, None], {"out": logits}, Output(logits=logits, hidden_states=(others,))):
        assert check_logits(outputs) is logits


REMEDY = "pass loss(outputs, batch) to say what is learnt: --loss pkg.mod:fn, or loss=fn in Python"


def test_labels_that_are_no_tensor_are_named():
    with pytest.raises(ConfigError, match=f"labels are wanted as one tensor, not dict; {re.escape(REMEDY)}"):
        cross_entropy(torch.zeros(2, 3), Batch((), {"boxes": 1}))


@pytest.mark.parametrize(
    ("shape", "targets", "said"),
    [
        ((2, 6, 5), torch.rand(2, 6, 5) * 8, r"of shape \(2, 6, 5\) and type float32 are no class indices"),
        ((2, 6, 5), torch.randint(0, 6, (2, 6, 5)), r"whole numbers below 6 of shape \(2, 5\)"),
        ((2, 6), torch.tensor([0.0, 1.0]), r"of shape \(2,\) and type float32"),
        ((2, 6), torch.tensor([[0], [1]]), r"of shape \(2, 1\) and type int64"),
        ((2, 6), torch.tensor([[1.0, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0]]), "no class indices"),  # two labels at once
        ((2, 3), torch.tensor([[1.5, -0.5, 0.0], [0.0, 0.0, 1.0]]), "no class indices"),
        ((2, 3), torch.tensor([[float("nan"), 0.0, 1.0], [0.0, 0.0, 1.0]]), "no class indices"),
        ((2, 6), torch.tensor([0, 6]), r"6 is no class index where the logits have 6 classes \(0 to 5, -100"),
        ((2, 6), torch.tensor([-1, 5]), "-1 is no class index"),
        ((1, 21, 2, 2), torch.full((1, 2, 2), 255, dtype=torch.uint8), "255 is no class index"),
    ],
    ids=["boxes", "whole boxes", "numbers", "a column", "labels at once", "negative", "nan", "too large", "-1", "void"],
)
def test_targets_that_are_no_classes_of_the_logits_are_refused_with_the_remedy(shape, targets, said):
    with pytest.raises(ConfigError, match=said) as refused:
        cross_entropy(torch.zeros(shape), Batch((), targets))
    assert REMEDY in str(refused.value)


@pytest.mark.parametrize("kind", [torch.uint8, torch.int32, torch.int64])
def test_classes_of_any_whole_type_count_alike_and_what_is_ignored_does_not(kind):
    logits, labels = torch.randn(4, 3, 2), torch.tensor([[0, 1], [2, 2], [1, 0], [0, 0]])
    wanted = nn.functional.cross_entropy(logits, labels)
    assert cross_entropy(logits, Batch((), labels.to(kind))).item() == pytest.approx(wanted.item(), rel=1e-6)
    some = labels.masked_fill(labels == 2, IGNORED)
    kept = nn.functional.cross_entropy(logits.mT[some != IGNORED], some[some != IGNORED])
    assert cross_entropy(logits, Batch((), some)).item() == pytest.approx(kept.item(), rel=1e-6)
    assert check_classes(logits[:, :2], labels == 1).dtype is torch.int64


def test_probabilities_of_the_classes_are_labels_too():
    logits, mixed = torch.randn(3, 4, dtype=torch.float64), torch.rand(3, 4).softmax(1)
    wanted = -(mixed.double() * logits.log_softmax(1)).sum(1).mean()
    assert cross_entropy(logits, Batch((), mixed)).item() == pytest.approx(wanted.item(), rel=1e-6)


def test_the_divergence_of_maps_is_averaged_over_positions():
    student, teacher = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    flat = [x.permute(0, 2, 3, 1).reshape(-1, 3) for x in (student, teacher)]
    torch.testing.assert_close(divergence(student, teacher, 2.0), divergence(*flat, 2.0))


def test_names_are_found_functions_taken_as_they_are_and_unknown_names_refused():
    def mine(outputs, batch):
        return outputs.sum()

    assert find_loss("cross_entropy") is cross_entropy
    assert find_distance("relative") is relative_distance
    assert (find_loss(mine), find_loss(None), find_distance(None)) == (mine, None, None)
    here = "tests.training.test_losses"
    assert find_loss(f"{here}:of_the_users") is of_the_users
    assert find_distance(f"{here}:of_the_users") is of_the_users
    assert find_loss(f"{here}:OfTheUsers")(torch.ones(3), Batch(())) == 3
    assert find_loss(OfTheUsers)(torch.ones(3), Batch(())) == 3
    for find in (find_loss, find_distance):
        with pytest.raises(ConfigError, match="nothing_like_it"):
            find("nothing_like_it")


def of_the_users(outputs, other):
    return outputs.sum()


def of_one(outputs):
    return outputs.sum()


class OfTheUsers(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.ones(3))

    def forward(self, outputs, batch):
        return (self.weight * outputs).sum()


class TakesSizes(nn.Module):
    def __init__(self, classes):
        super().__init__()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("of_one", r"is to be a function of \(outputs, batch\), and takes \(outputs\)"),
        ("REMEDY", "not a str"),
        ("TakesSizes", "raised TypeError: .*classes"),
        ("missing", "can't be found"),
    ],
)
def test_code_that_is_no_loss_is_refused_before_anything_is_learnt(name, said):
    with pytest.raises(ConfigError, match=said) as refused:
        find_loss(f"tests.training.test_losses:{name}")
    assert f"the loss 'tests.training.test_losses:{name}'" in str(refused.value)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda outputs, batch: batch.targets["boxes"], "raised KeyError: 'boxes'; .*test_losses.py"),
        (lambda outputs, batch: outputs.square().mean(1), r"gave a tensor of shape \(2,\), and is to give one number"),
        (lambda outputs, batch: 3.0, "gave float"),
        (lambda outputs, batch: outputs.detach().mean(), "has no gradient"),
    ],
    ids=["raises", "of rows", "a float", "detached"],
)
def test_what_a_function_of_the_users_does_wrong_is_said_by_its_kind(function, said):
    outputs = torch.ones(2, 3, requires_grad=True)
    with pytest.raises(ConfigError, match=f"the loss {said}"):
        Criteria(DistillConfig(), function).loss_of(outputs, Batch((), {}))
    with pytest.raises(ConfigError, match=f"the distance {said}"):
        Criteria(DistillConfig(), None, function).distance_of(outputs, Batch((), {}))
