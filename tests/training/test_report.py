"""What is told of a run: each logged step and epoch once, a line for people, and nothing by other processes."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from rdpass.core.errors import ConfigError
from rdpass.training.config import DistillConfig
from rdpass.training.records import HISTORY, read_history
from rdpass.training.report import Report, _epoch_text, _step_text
from rdpass.training.request import Request
from rdpass.training.state import Position
from rdpass.training.step import Taken

TAKEN = Taken({"task": 0.5, "teacher": 0.25}, 2.0)


def report(folder: Path | None, is_first=True, steps=10, **settings):
    request = Request(
        config=DistillConfig(**settings), checkpoint=folder and folder / "checkpoint.pt", show_progress=False
    )
    return Report(request, steps, 0, is_first)


def test_every_so_many_steps_and_the_last_are_written(tmp_path):
    with report(tmp_path, log_steps=4) as told:
        for step in range(10):
            told.step(Position(epoch=step // 5, step=step + 1), TAKEN, 0.1, {}, {})
        told.epoch({"epoch": 2.0, "loss": 0.75}, 10)
    lines = read_history(tmp_path / HISTORY)
    assert [(line["kind"], line["step"]) for line in lines] == [("step", 4), ("step", 8), ("step", 10), ("epoch", 10)]
    assert lines[0] == {
        "kind": "step", "step": 4, "epoch": 1.0, "loss.task": 0.5, "loss.teacher": 0.25, "loss": 0.75, "lr": 0.1,
        "gradient_norm": 2.0,
    }  # fmt: skip


def test_a_step_whose_shares_were_asked_for_is_written_with_them(tmp_path):
    with report(tmp_path, log_steps=100) as told:
        told.step(Position(step=1), TAKEN, 0.1, {"add": 0.25}, {"faded": 0.5})
        told.step(Position(step=2), TAKEN, 0.1, {}, {"faded": 0.6})
    (line,) = read_history(tmp_path / HISTORY)
    assert (line["step"], line["share.add"], line["faded"]) == (1, 0.25, 0.5)


@pytest.mark.parametrize("is_first", [True, False])
def test_only_the_first_process_keeps_anything_and_none_without_a_folder(tmp_path, is_first):
    for folder in (tmp_path, None):
        with report(folder, is_first) as told:
            told.epoch({"epoch": 1.0, "loss": 1.0}, 10)
    assert [path.name for path in tmp_path.iterdir()] == ([HISTORY] if is_first else [])


@pytest.mark.parametrize("is_first", [True, False])
def test_only_the_first_process_calls_anybody(is_first):
    heard = []
    listening = SimpleNamespace(on_step=heard.append, on_end=heard.append)
    request = Request(config=DistillConfig(), show_progress=False, callbacks=(listening,), stage="int8")
    with Report(request, 10, 0, is_first) as told:
        told.step(Position(step=3), TAKEN, 0.1, {"add": 0.25}, {"faded": 0.5})
    if is_first:
        step, end = heard
        assert (step.loss, step.values, step.stage) == (0.75, {"faded": 0.5, "share.add": 0.25}, "int8")
        assert (end.step, end.finished) == (3, True)
    else:
        assert heard == []


def test_tensorboard_without_a_folder_is_refused_before_the_first_step():
    with pytest.raises(ConfigError, match="needs an output folder"), report(None, tensorboard=True):
        raise AssertionError("it was opened")


def test_a_line_for_people_has_the_terms_where_there_are_several():
    assert _step_text(TAKEN, 0.0123456, {}, {}) == "loss 0.7500 (task 0.5000, teacher 0.2500)  lr 0.0123"
    alone = _step_text(Taken({"task": 0.5}, 1.0), 0.1, {"a": 0.2, "b": 0.4}, {"faded": 0.5})
    assert alone == "loss 0.5000  lr 0.1  faded 50%  through the teacher 30%"


def test_an_epochs_line_says_what_was_measured():
    record = {"epoch": 2.0, "loss": 0.75, "loss.task": 0.5, "loss.teacher": 0.25, "accuracy": 91.234}
    assert _epoch_text(record, 5) == "epoch 2/5  loss 0.7500 (task 0.5000, teacher 0.2500)  accuracy 91.23 %"
    assert _epoch_text({"epoch": 1.0, "loss": 1.0, "validation_loss": 0.5}, 1).endswith("validation loss 0.5000")
