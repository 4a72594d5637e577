"""Records of a run: whole lines, each step once, the same numbers for TensorBoard."""

import pytest

from rdpass.core.errors import ConfigError
from rdpass.training.records import HISTORY, History, open_sinks, read_history
from tests.training.interrupting import Stops
from tests.training.support import trained


def test_tensorboard_gets_the_numbers_of_the_history(tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trained(checkpoint=tmp_path / "c.pt", tensorboard=True, log_steps=4)
    events = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    lines = [line for line in read_history(tmp_path / "history.jsonl") if line["kind"] == "step"]
    scalars = events.Scalars("step/loss.task")
    assert [(event.step, event.value) for event in scalars] == [
        (line["step"], pytest.approx(line["loss.task"], rel=1e-6)) for line in lines
    ]
    assert len(events.Scalars("epoch/loss")) == 2
    with pytest.raises(ConfigError, match="needs an output folder"):
        trained(tensorboard=True)


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


def test_sinks_need_a_folder(tmp_path):
    assert open_sinks(None, False, 0) == []
    (history,) = open_sinks(tmp_path, False, 0)
    assert isinstance(history, History)
    with pytest.raises(ConfigError, match="needs an output folder"):
        open_sinks(None, True, 0)
