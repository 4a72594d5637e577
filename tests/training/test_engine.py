"""The engine: it trains in place, leaves the teacher and the caller's generators alone, and ends on the CPU."""

import pytest
import torch

from rdpass.core.errors import ConfigError, DivergedError
from rdpass.training.config import DistillConfig
from rdpass.training.engine import train
from rdpass.training.objective import Objective
from rdpass.training.request import Request
from tests.data import batches
from tests.support import Untouched
from tests.training.support import Shuffled, network, objective, trained


def test_a_record_for_every_epoch_and_a_student_that_has_moved():
    made, history = trained(epochs=3)
    assert [record["epoch"] for record in history] == [1, 2, 3]
    for record in history:
        assert record["loss"] == pytest.approx(record["loss.task"] + record["loss.teacher"])
    start = objective().student.state_dict()
    assert any(not torch.equal(value, start[name]) for name, value in made.student.state_dict().items())


def test_the_teacher_stays_as_it_was_to_the_bit():
    made = objective()
    before = Untouched(made.teacher)
    trained(of=made)
    before.check()
    assert not made.teacher.training


class Straight(Objective):
    """One weight, whose loss falls by its distance from 3: gradient descent, step by step, by hand."""

    def __init__(self):
        super().__init__(torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1))
        torch.nn.init.zeros_(self.student.weight)
        self.asked = []

    def set_progress(self, progress):
        self.asked.append(progress)
        return {}

    def forward(self, batch):
        return {"task": 0.5 * (self.student.weight - 3).square().sum()}


def test_it_descends_the_gradient_at_the_schedules_rates():
    made = Straight()
    config = DistillConfig(epochs=2, lr=0.5, momentum=0.0, weight_decay=0.0, warmup=0.0)
    train(made, Request(train=[(torch.zeros(2, 1), None)] * 2, config=config, show_progress=False))
    weight = 0.0
    for step in range(4):
        weight -= 0.25 * (1 + float(torch.cos(torch.tensor(torch.pi * step / 4)))) * (weight - 3)
    assert made.student.weight.item() == pytest.approx(weight, rel=1e-5)
    assert made.asked == [0.0, 0.25, 0.5, 0.75]


def test_validation_is_recorded_and_picks_nothing():
    quiet, _ = trained()
    watched = objective()
    config = DistillConfig(epochs=2, lr=0.02)
    history = train(watched, Request(train=Shuffled(), validate=batches(2), config=config, show_progress=False))
    assert all(0 <= record["accuracy"] <= 100 for record in history)
    assert all(torch.equal(a, b) for a, b in zip(quiet.student.parameters(), watched.student.parameters(), strict=True))


def test_what_it_trained_is_on_the_cpu_and_contiguous_even_when_it_fails():
    made = objective(network(0.0))
    with pytest.raises(DivergedError):
        train(made, Request(train=[batches(1)[0], "text"], config=DistillConfig(epochs=1), show_progress=False))
    for value in made.state_dict().values():
        assert value.device.type == "cpu"
        assert value.is_contiguous()


def test_an_iterator_is_refused_where_the_run_might_have_to_go_back():
    with pytest.raises(ConfigError, match="an iterator can't be read again"):
        trained(iter(batches(2)), batches=2, on_nan="rollback")


def test_without_data_there_is_nothing_to_train_on():
    with pytest.raises(DivergedError, match="empty"):
        train(objective(), Request(show_progress=False))
