"""The average of the weights: its formula, its place, and a resume."""

import pytest
import torch
from torch import nn

from rdpass.training.averaging import Average
from rdpass.training.checkpoint import load_checkpoint
from rdpass.training.config import DistillConfig
from rdpass.training.engine import train
from rdpass.training.evaluation import accuracy
from rdpass.training.request import Request
from tests.data import batches
from tests.training.interrupting import Stops
from tests.training.support import Shuffled, assert_same, objective, trained


def student():
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1))
    made[2].requires_grad_(False)
    return made


def test_weights_and_statistics_are_averaged_by_the_formula_and_nothing_else_is_touched():
    made = student()
    average = Average(made, 0.5)
    wanted = {name: value.clone() for name, value in made.state_dict().items()}
    for steps in range(1, 30):
        with torch.no_grad():
            for value in (*made[0].parameters(), made[1].running_mean):
                value.add_(torch.randn_like(value))
        average.update(steps)
        decay = min(0.5, (1 + steps) / (10 + steps))
        now = made.state_dict()
        for name in ("0.weight", "0.bias", "1.running_mean"):
            wanted[name] = decay * wanted[name] + (1 - decay) * now[name]
    before = {name: value.clone() for name, value in made.state_dict().items()}
    with average.in_place():
        for name, value in made.state_dict().items():
            assert torch.allclose(value, wanted[name], atol=1e-5), name
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())


def test_what_a_signal_left_in_place_is_put_back():
    made = student()
    average = Average(made, 0.9)
    before = made[0].weight.detach().clone()
    with torch.no_grad():
        made[0].weight.add_(1.0)
    block = average.in_place()
    block.__enter__()
    assert torch.equal(made[0].weight, before)
    average.put_back()
    average.put_back()
    assert torch.equal(made[0].weight, before + 1.0)


def test_the_result_is_the_average_and_a_resume_ends_in_its_bits(tmp_path):
    raw, _ = trained()
    whole, history = trained(ema=0.9)
    assert any(not torch.equal(a, b) for a, b in zip(raw.student.parameters(), whole.student.parameters(), strict=True))
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        trained(Stops(8), checkpoint=path, ema=0.9)
    assert len(load_checkpoint(path)["average"]) > 4
    resumed, again = trained(checkpoint=path, resume=True, ema=0.9)
    assert again == history
    assert_same(whole, resumed)
    done, _ = trained(
        checkpoint=path, resume=True, ema=0.9
    )  # of a training that is done nothing is left but the result
    assert_same(whole, done)


def test_what_is_measured_is_the_average_and_measuring_changes_nothing():
    def measured(validate, **settings):
        made = objective()
        config = DistillConfig(epochs=2, lr=0.2, **settings)
        request = Request(train=Shuffled(), validate=validate, config=config, show_progress=False)
        return made, train(made, request)

    held_out = batches(4, seed=3)
    seen, history = measured(held_out, ema=0.99)
    blind, _ = measured(None, ema=0.99)
    assert_same(seen, blind)
    raw, others = measured(held_out)
    assert [each["loss"] for each in history] == [each["loss"] for each in others]  # the training is the same
    assert history[-1]["accuracy"] == accuracy(seen.student, held_out)
    assert others[-1]["accuracy"] == accuracy(raw.student, held_out)
