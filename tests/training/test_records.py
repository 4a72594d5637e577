"""Records of a run: whole lines, each step once."""

import pytest

from rdpass.training.callbacks import End, Epoch, Step
from rdpass.training.records import HISTORY, History, Lines, read_history
from tests.training.interrupting import Stops
from tests.training.support import trained


def test_the_history_has_every_logged_step_once_also_after_a_resume(tmp_path):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        trained(Stops(8), checkpoint=path, log_steps=1, checkpoint_steps=5)
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"kind": "step", "step": 11, "loss": 9.0}\n{"kind": "st')
    trained(checkpoint=path, resume=True, log_steps=1)
    lines = read_history(tmp_path / "history.jsonl")
    assert [line["step"] for line in lines if line["kind"] == "step"] == list(range(1, 13))
    assert [line["step"] for line in lines if line["kind"] == "epoch"] == [6, 12]
    first = lines[0]
    assert first["loss"] == pytest.approx(first["loss.task"] + first["loss.teacher"])
    assert first["gradient_norm"] > 0
    assert 0 < first["lr"] <= 0.02


def test_lines_of_steps_beyond_the_beginning_are_written_anew(tmp_path):
    (tmp_path / HISTORY).write_text("".join(f'{{"kind": "step", "step": {step}}}\n' for step in (1, 2, 3)) + '{"torn')
    history = History(tmp_path, 2)
    assert len(read_history(tmp_path / HISTORY)) == 3  # nothing is touched before the first line
    history.write({"kind": "step", "step": 3, "loss": 0.5})
    history.close()
    assert [line.get("loss") for line in read_history(tmp_path / HISTORY)] == [None, None, 0.5]


def test_a_run_from_the_start_keeps_no_line_of_another(tmp_path):
    (tmp_path / HISTORY).write_text('{"kind": "step", "step": 0}\n')
    history = History(tmp_path, 0)
    history.write({"kind": "step", "step": 1})
    history.close()
    assert [line["step"] for line in read_history(tmp_path / HISTORY)] == [1]


def test_a_history_that_is_not_there_has_no_lines_and_an_unused_one_leaves_no_file(tmp_path):
    assert read_history(tmp_path / HISTORY) == []
    History(tmp_path / "run", 0).close()
    assert list(tmp_path.iterdir()) == []


class Kept:
    def __init__(self):
        self.lines, self.finished = [], None

    def write(self, line):
        self.lines.append(line)

    def close(self, finished=True):
        self.finished = finished


def test_lines_are_written_every_so_many_steps_at_the_last_with_shares_and_after_each_epoch():
    kept = Kept()
    lines = Lines(kept, 4)
    for step in range(1, 8):
        values = {"share.add": 0.5} if step == 3 else {}
        lines.on_step(Step(step, 7, 1, 0.75, {"task": 0.5, "teacher": 0.25}, 0.1, 2.0, values))
    lines.on_epoch(Epoch(1, 1, 7, 0.75, {"task": 0.5}, validation_loss=0.25))
    lines.on_end(End(7, finished=False))
    assert [(line["kind"], line["step"]) for line in kept.lines] == [
        ("step", 3),
        ("step", 4),
        ("step", 7),
        ("epoch", 7),
    ]
    assert kept.lines[-1] == {
        "kind": "epoch", "step": 7, "epoch": 1.0, "loss": 0.75, "loss.task": 0.5, "validation_loss": 0.25
    }  # fmt: skip
    assert kept.finished is False
