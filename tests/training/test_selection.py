"""Which epoch is the result: the last, unless it was asked for another; none while shortcuts fade."""

import pytest
import torch
from torch import nn

from rdpass.core.errors import ConfigError
from rdpass.training.config import DistillConfig
from rdpass.training.engine import train
from rdpass.training.evaluation import accuracy
from rdpass.training.knowledge_distillation import KnowledgeDistillation
from rdpass.training.request import Request
from rdpass.training.selection import EXPORTED, Selection, check_selection, share_done
from tests.data import batches
from tests.training.interrupting import Stops
from tests.training.support import Shuffled, assert_same, network, objective


def chosen(figures, field="accuracy", **settings):
    """The weight that comes out, one an epoch from 1 on, the epochs that were trained, and the history."""
    student, selection = nn.Linear(1, 1), Selection(DistillConfig(epochs=len(figures), **settings))
    history = []
    for epoch, figure in enumerate(figures, 1):
        nn.init.constant_(student.weight, epoch)
        history.append({"epoch": float(epoch), "loss": 1.0, field: figure})
        if figure is not None:
            selection.consider(history[-1], student)
        if selection.is_over(epoch):
            break
    told = selection.result(student, history)
    return int(student.weight), len(told), [int(each["epoch"]) for each in told if EXPORTED in each]


def test_the_last_epoch_is_the_result_unless_the_best_was_asked_for():
    assert chosen([50.0, 70.0, 60.0]) == (3, 3, [])
    assert chosen([50.0, 70.0, 60.0], keep_best=True) == (2, 3, [2])
    assert chosen([50.0, 70.0, 70.0], keep_best=True) == (2, 3, [2])
    assert chosen([0.5, 0.7, 0.3], "validation_loss", keep_best=True) == (3, 3, [3])
    assert chosen([0.5, float("nan"), 0.6], "validation_loss", keep_best=True) == (1, 3, [1])


def test_a_training_ends_early_only_where_that_was_asked_for():
    figures = [50.0, 70.0, 60.0, 65.0, 69.0, 80.0]
    assert chosen(figures, patience=2) == (4, 4, [4])
    assert chosen(figures, patience=2, keep_best=True) == (2, 4, [2])
    assert chosen(figures, patience=4, keep_best=True) == (6, 6, [6])


def test_a_state_is_gone_on_from():
    config, student = DistillConfig(keep_best=True, patience=1), nn.Linear(1, 1)
    first, second = Selection(config), Selection(config)
    first.consider({"epoch": 1.0, "accuracy": 50.0}, student)
    weight = student.weight.detach().clone()
    second.load(first.state())
    nn.init.zeros_(student.weight)
    second.consider({"epoch": 2.0, "accuracy": 50.0}, student)
    assert second.is_over(2)
    second.result(student, [{"epoch": 1.0}, {"epoch": 2.0}])
    assert torch.equal(student.weight, weight)


@pytest.mark.parametrize("settings", [{"keep_best": True}, {"patience": 3}])
def test_without_held_out_data_there_is_nothing_to_compare_by(settings):
    with pytest.raises(ConfigError, match=f"train.{next(iter(settings))} compares epochs on held-out data"):
        check_selection(DistillConfig(**settings), None)
    check_selection(DistillConfig(), None)


def test_the_share_that_was_done_ends_with_the_epoch_that_is_exported():
    history = [{"epoch": 1.0}, {"epoch": 2.0, EXPORTED: 1.0}, {"epoch": 3.0}]
    assert share_done(history, DistillConfig(epochs=4)) == 0.5
    assert share_done([{"epoch": 4.0}], DistillConfig(epochs=4)) == 1.0
    assert share_done([], DistillConfig(epochs=4)) == 1.0


class Fading(KnowledgeDistillation):
    """Says that its shortcuts are gone in the second half."""

    def set_progress(self, progress):
        return {"faded": min(1.0, 2 * progress)}


def run(data=None, checkpoint=None, resume=False, fading=False, **settings):
    model = network()
    made = Fading(objective(model).student, model, Request().criteria) if fading else objective(model)
    config = DistillConfig(epochs=4, lr=0.5, clip=1.0, **settings)
    request = Request(train=data or Shuffled(), validate=batches(4, seed=3), config=config, checkpoint=checkpoint,
                      resume=resume, show_progress=False)  # fmt: skip
    return made, train(made, request)


def test_the_best_epoch_comes_out_of_a_training_and_of_one_that_was_resumed(tmp_path):
    whole, history = run(keep_best=True, ema=0.9)
    (best,) = [each for each in history if EXPORTED in each]
    assert best["accuracy"] == max(each["accuracy"] for each in history) == accuracy(whole.student, batches(4, seed=3))
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        run(Stops(20), path, keep_best=True, ema=0.9)
    resumed, again = run(None, path, True, keep_best=True, ema=0.9)
    assert again == history
    assert_same(whole, resumed)


def test_an_epoch_in_which_shortcuts_still_fade_is_not_compared():
    _, history = run(fading=True, keep_best=True)
    (best,) = [each for each in history if EXPORTED in each]
    assert best["epoch"] >= 3
    assert best["accuracy"] == max(each["accuracy"] for each in history[2:])
