"""One step on many batches, of any size, in any precision."""

import pytest
import torch
from torch import nn

from rdpass.training.knowledge_distillation import KnowledgeDistillation
from rdpass.training.records import read_history
from rdpass.training.request import Request
from tests.data import batches
from tests.training.support import distance, network, objective, trained


def without_norms():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))


def test_batches_taken_together_step_like_the_one_batch_of_their_rows_however_unequal():
    images, labels = (torch.cat(parts) for parts in zip(*batches(4, 8), strict=True))
    sizes = [10, 3, 11, 8]
    pieces = list(zip(images.split(sizes), labels.split(sizes), strict=True))
    whole, first = trained([(images, labels)], of=objective(without_norms()), epochs=5, lr=0.5)
    parts, second = trained(pieces, of=objective(without_norms()), epochs=5, lr=0.5, accumulate=4)
    untrained = objective(without_norms())
    assert distance(whole, parts) < 1e-5 < distance(whole, untrained)
    for one, other in zip(first, second, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_a_last_group_of_fewer_batches_counts_by_its_rows():
    data = batches(5, 8)
    images, labels = (torch.cat(parts) for parts in zip(*data[:4], strict=True))
    grouped, _ = trained(data, of=objective(without_norms()), accumulate=4)
    joined, _ = trained([(images, labels), data[4]], of=objective(without_norms()))
    assert distance(grouped, joined) < 1e-5


def test_a_gradient_longer_than_allowed_is_scaled_down_and_its_length_is_recorded(tmp_path):
    settings = {"momentum": 0.0, "weight_decay": 0.0, "warmup": 0.0, "epochs": 1, "lr": 1.0, "log_steps": 1}
    start = objective(without_norms())
    before = [parameter.detach().clone() for parameter in start.student.parameters()]
    made, _ = trained(batches(1), of=start, clip=1e-3, checkpoint=tmp_path / "c.pt", **settings)
    moved = sum((a - b).square().sum() for a, b in zip(made.student.parameters(), before, strict=True)).sqrt()
    assert moved.item() == pytest.approx(1e-3, rel=1e-2)
    assert read_history(tmp_path / "history.jsonl")[0]["gradient_norm"] > 1e-2


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_mixed_precision_learns_the_same_within_its_accuracy_and_keeps_float32_weights(amp):
    exact, _ = trained(batches(), of=objective(network(0.0)), epochs=3)
    mixed, history = trained(batches(), of=objective(network(0.0)), epochs=3, amp=amp)
    untrained = objective(network(0.0))
    assert 0 < distance(exact, mixed) < 0.5 * distance(exact, untrained)
    assert all(value.dtype != torch.bfloat16 for value in mixed.student.state_dict().values())
    assert history[-1]["loss"] > 0


def test_fp16_leaves_out_steps_whose_scaled_gradient_overflows_and_ends_if_all_do():
    class Steep(KnowledgeDistillation):
        def forward(self, batch):
            return {name: 3e3 * term for name, term in super().forward(batch).items()}

    made = Steep(network(0.0), network(0.0), Request().criteria)
    _, history = trained(batches(12), of=made, epochs=2, lr=1e-6, amp="fp16")
    assert all(torch.isfinite(value).all() for value in made.student.state_dict().values())
    assert history[-1]["loss"] > 0
