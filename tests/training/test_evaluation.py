"""Evaluation on held-out batches: rows count alike, whatever batches they come in; what is missing is named."""

import pytest
import torch
from torch import nn

from rdpass.core.errors import ConfigError, DivergedError
from rdpass.training.config import DistillConfig
from rdpass.training.evaluation import accuracy, evaluate, mean_loss
from rdpass.training.losses import Criteria
from rdpass.training.request import Request
from rdpass.training.world import World

CRITERIA = Criteria(DistillConfig())


def batch(*rows):
    """Logits as inputs, and labels."""
    logits, labels = zip(*rows, strict=True)
    return torch.tensor(logits), torch.tensor(labels)


RIGHT, WRONG = ((2.0, 0.0, 1.0), 0), ((0.0, 3.0, 1.0), 2)


def test_accuracy_is_of_rows_and_not_of_batches():
    assert accuracy(nn.Identity(), [batch(RIGHT, RIGHT, WRONG), batch(WRONG)]) == 50.0
    assert accuracy(lambda x: x, [batch(RIGHT), batch(RIGHT, WRONG, RIGHT)]) == 75.0


def test_labels_per_pixel_count_each():
    logits = torch.zeros(2, 3, 2, 2)
    logits[:, 1] = 1
    labels = torch.tensor([[[1, 1], [1, 0]], [[2, 1], [1, 1]]])
    assert accuracy(nn.Identity(), [(logits, labels)]) == 75.0


def test_the_mean_loss_is_over_rows_too():
    data = [batch(RIGHT, RIGHT, WRONG), batch(WRONG)]
    logits, labels = (torch.cat(parts) for parts in zip(*data, strict=True))
    wanted = nn.functional.cross_entropy(logits, labels).item()
    assert mean_loss(nn.Identity(), data, CRITERIA) == pytest.approx(wanted, rel=1e-6)


def test_a_module_is_in_eval_mode_and_no_gradient_is_kept():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.9)).train()
    before = model[1].running_mean.clone()
    first, second = (accuracy(model, [batch(RIGHT, WRONG)]) for _ in range(2))
    assert first == second
    assert torch.equal(model[1].running_mean, before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_task_with_a_loss_of_its_own_is_measured_by_it():
    def squared(outputs, given):
        return outputs.square().mean()

    data = [(torch.full((2, 3), 2.0), None)]
    request = Request(validate=data, loss=squared)
    assert evaluate(nn.Identity(), request, World()) == {"validation_loss": 4.0}
    assert evaluate(nn.Identity(), Request(validate=[batch(RIGHT)]), World()) == {"accuracy": 100.0}


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        ([], DivergedError, "the validation loader gave no batch"),
        ([torch.zeros(2, 3)], DivergedError, "validation batch 0 has no labels"),
        ([batch(RIGHT), "text"], DivergedError, "batch 1 is not"),
        ([(torch.zeros(3), torch.tensor(0))], ConfigError, "a tensor of shape"),
    ],
    ids=["nothing", "no labels", "no batch", "no logits"],
)
def test_what_can_not_be_measured_is_named(data, kind, message):
    with pytest.raises(kind, match=message):
        accuracy(nn.Identity(), data)


def test_a_loader_that_fails_is_named_with_the_batch():
    def loader():
        yield batch(RIGHT)
        raise OSError("disk gone")

    with pytest.raises(DivergedError, match="the validation loader failed at batch 1: OSError: disk gone"):
        accuracy(nn.Identity(), loader())
