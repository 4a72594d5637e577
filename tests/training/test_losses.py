"""Losses of outputs: labels, tempered divergence, relative distance."""

import pytest
import torch
from torch import nn

from rdpass.core.errors import ConfigError
from rdpass.training.config import DistillConfig
from rdpass.training.losses import (
    Criteria,
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
    ("outputs", "said"), [(torch.zeros(3), r"a tensor of shape \(3,\)"), ((torch.zeros(2, 3),), "tuple"), ({}, "dict")]
)
def test_what_are_no_logits_are_named(outputs, said):
    with pytest.raises(ConfigError, match=f"this one gave {said}"):
        check_logits(outputs)


def test_labels_that_are_no_tensor_are_named():
    with pytest.raises(ConfigError, match="labels are wanted as one tensor, not dict"):
        cross_entropy(torch.zeros(2, 3), Batch((), {"boxes": 1}))


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
    for find in (find_loss, find_distance):
        with pytest.raises(ConfigError, match="nothing_like_it"):
            find("nothing_like_it")
