"""Callbacks: every step and epoch once, in plain numbers; what they raise or draw costs the training nothing."""

import pytest
import torch

from rdpass.core.errors import ConfigError
from rdpass.training.callbacks import Callback, End, Epoch, Step, call, check_callbacks
from rdpass.training.checkpoint import load_checkpoint
from rdpass.training.config import DistillConfig
from rdpass.training.engine import train
from rdpass.training.request import Request
from tests.data import batches
from tests.training.support import Shuffled, assert_same, objective, trained


class Listening(Callback):
    def __init__(self, fail_at=None):
        self.told, self.fail_at = [], fail_at

    def on_step(self, step):
        self.told.append(step)
        torch.randn(3)
        if step.step == self.fail_at:
            raise ZeroDivisionError("mine")

    def on_epoch(self, epoch):
        self.told.append(epoch)

    def on_end(self, end):
        self.told.append(end)


class Epochs:
    """Has one of the methods only."""

    def __init__(self, fail_at=None):
        self.numbers, self.fail_at = [], fail_at

    def on_epoch(self, epoch):
        self.numbers.append(epoch.epoch)
        if epoch.epoch == self.fail_at:
            raise ValueError("mine too")


def listened(*callbacks, checkpoint=None, resume=False, validate=None):
    made = objective()
    config = DistillConfig(epochs=2, lr=0.02)
    request = Request(train=Shuffled(), validate=validate, config=config, checkpoint=checkpoint, resume=resume,
                      show_progress=False, callbacks=callbacks)  # fmt: skip
    return made, train(made, request)


def test_each_step_and_epoch_is_told_once_with_its_numbers_and_the_end_last():
    listening, epochs = Listening(), Epochs()
    made, history = listened(listening, epochs, validate=batches(1))
    steps = [told for told in listening.told if isinstance(told, Step)]
    assert [(told.step, told.epoch, told.steps) for told in steps] == [(n, 1 + (n - 1) // 6, 12) for n in range(1, 13)]
    assert all(told.loss == pytest.approx(sum(told.terms.values())) and told.gradient_norm > 0 for told in steps)
    assert steps[0].terms.keys() == {"task", "teacher"}
    assert 0 < steps[-1].lr < steps[3].lr <= 0.02
    found = [told for told in listening.told if isinstance(told, Epoch)]
    assert [(told.loss, told.accuracy) for told in found] == [(each["loss"], each["accuracy"]) for each in history]
    assert [told.step for told in found] == [6, 12]
    assert listening.told[-1] == End(12, finished=True)
    assert epochs.numbers == [1, 2]
    assert_same(made, trained()[0])  # what they draw changes nothing


def test_what_a_callback_raises_ends_the_training_as_it_is_and_the_step_before_is_kept(tmp_path):
    listening = Listening(fail_at=8)
    with pytest.raises(ZeroDivisionError, match="mine") as raised:
        listened(listening, checkpoint=tmp_path / "c.pt")
    assert raised.traceback[-1].name == "on_step"
    assert listening.told[-1] == End(8, finished=False)
    assert load_checkpoint(tmp_path / "c.pt")["position"]["step"] == 8
    again = Listening()
    resumed, _ = listened(again, checkpoint=tmp_path / "c.pt", resume=True)
    assert [told.step for told in again.told if isinstance(told, Step)] == [9, 10, 11, 12]
    assert_same(resumed, trained()[0])


def test_an_epoch_that_a_callback_fails_after_is_kept(tmp_path):
    with pytest.raises(ValueError, match="mine too"):
        listened(Epochs(fail_at=1), checkpoint=tmp_path / "c.pt")
    assert load_checkpoint(tmp_path / "c.pt")["position"]["epoch"] == 1
    resumed, _ = listened(checkpoint=tmp_path / "c.pt", resume=True)
    assert_same(resumed, trained()[0])


@pytest.mark.parametrize(("given", "said"), [(Listening, "the class Listening"), (print, "a builtin_function")])
def test_what_listens_to_nothing_is_refused(given, said):
    with pytest.raises(ConfigError, match=f"callbacks= takes objects with on_step, on_epoch or on_end, not {said}"):
        check_callbacks([given])


def test_those_without_the_method_are_passed_over():
    epochs = Epochs()
    call([epochs, Listening()], "on_step", Step(1, 2, 1, 0.5, {}, 0.1, 1.0))
    assert epochs.numbers == []
