"""Evaluation on held-out batches: rows count alike, whatever batches they come in; what is missing is named."""

import pytest
import torch
from torch import nn

from rdpass.core.errors import ConfigError, DivergedError
from rdpass.training.config import DistillConfig
from rdpass.training.evaluation import accuracy, check_measurable, evaluate, mean_loss
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


def test_what_is_ignored_does_not_count_and_the_likeliest_class_is_the_label():
    logits = torch.tensor([[2.0, 0, 1], [0, 3, 1], [0, 3, 1], [1, 0, 0]])
    assert accuracy(nn.Identity(), [(logits, torch.tensor([0, -100, 2, -100]))]) == 50.0
    mixed = torch.tensor([[0.7, 0.3, 0], [0.1, 0.1, 0.8], [0, 1, 0], [0.4, 0.3, 0.3]])
    assert accuracy(nn.Identity(), [(logits, mixed)]) == 75.0


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
        ([(torch.zeros(2, 4), torch.rand(2, 4) * 8)], ConfigError, "no class indices .* --loss pkg.mod:fn"),
        ([(torch.zeros(2, 4), {"boxes": torch.rand(2, 4)})], ConfigError, "as one tensor, not dict"),
        ([(torch.zeros(2, 4), torch.tensor([-100, -100]))], DivergedError, "no label that counts"),
    ],
    ids=["nothing", "no labels", "no batch", "no logits", "boxes", "a dict", "nothing counts"],
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


def test_the_first_validation_batch_is_measured_alone_and_leaves_no_trace():
    read = []

    class Loader:
        def __iter__(self):
            for number, _ in enumerate(range(3)):
                read.append(number)
                yield torch.randn(2, 3), torch.tensor([0, 1])

    torch.manual_seed(3)
    before = torch.get_rng_state()
    check_measurable(nn.Dropout(0.5), Request(validate=Loader()))
    assert read == [0]
    assert torch.equal(torch.get_rng_state(), before)
    once = iter([batch(RIGHT)])
    check_measurable(nn.Identity(), Request(validate=once))
    assert next(once) is not None  # what can be read but once is left for the evaluation
    check_measurable(nn.Identity(), Request())


@pytest.mark.parametrize(
    ("request_", "kind", "said"),
    [
        (Request(validate=[(torch.zeros(2, 4), torch.rand(2, 4) * 8)]), ConfigError, "no class indices"),
        (Request(validate=[torch.zeros(2, 4)]), DivergedError, "validation batch 0 has no labels"),
        (Request(validate=[batch(RIGHT, RIGHT)], loss=lambda out, given: out.mean(1)), ConfigError, "one number"),
        (Request(validate=[]), DivergedError, "gave no batch"),
    ],
    ids=["boxes", "no labels", "a loss of rows", "nothing"],
)
def test_what_can_not_be_measured_is_known_from_the_first_batch(request_, kind, said):
    with pytest.raises(kind, match=said):
        check_measurable(nn.Identity(), request_)
