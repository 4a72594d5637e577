"""Checkpoints: two generations, of which one is whole at every moment."""

import errno

import pytest
import torch

from rdpass.core.errors import ConfigError
from rdpass.training.checkpoint import damaged, load_checkpoint, previous, save_checkpoint, step_state
from tests.training.interrupting import Stops
from tests.training.support import assert_same, trained


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path):
    path = tmp_path / "checkpoint.pt"
    whole, history = trained(epochs=3)
    with pytest.raises(KeyboardInterrupt):
        trained(Stops(15), checkpoint=path, epochs=3)
    path.write_bytes(path.read_bytes()[:1000])
    resumed, again = trained(checkpoint=path, resume=True, epochs=3)
    assert again == history
    assert_same(whole, resumed)


def test_two_generations_are_kept_and_what_a_killed_writer_left_goes(tmp_path):
    path = tmp_path / "checkpoint.pt"
    for number in range(3):
        save_checkpoint(path, {"number": number})
    stale = tmp_path / ".checkpoint.pt.abcd1234.tmp"
    stale.mkdir()
    assert load_checkpoint(path)["number"] == 2
    assert not stale.exists()
    path.unlink()
    assert load_checkpoint(path)["number"] == 1
    previous(path).write_bytes(b"torn")
    with pytest.raises(ConfigError, match="not a readable checkpoint"):
        load_checkpoint(path)


def test_one_flipped_bit_anywhere_is_found_and_the_state_before_is_used_and_said(tmp_path, caplog):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"number": 1, "weights": torch.arange(1000.0)})
    save_checkpoint(path, {"number": 2, "weights": torch.arange(1000.0)})
    newest, before = path.read_bytes(), previous(path).read_bytes()
    for at in range(0, len(newest), 97):
        path.write_bytes(newest[:at] + bytes([newest[at] ^ 1]) + newest[at + 1 :])
        previous(path).write_bytes(before)
        caplog.clear()
        assert load_checkpoint(path)["number"] == 1
        assert "checkpoint.pt is damaged" in caplog.text
        assert "going on from the state before it" in caplog.text


def test_a_damaged_newest_state_is_not_written_over_the_whole_one_before(tmp_path):
    path = tmp_path / "checkpoint.pt"
    for number in (1, 2):
        save_checkpoint(path, {"number": number})
    path.write_bytes(path.read_bytes()[:-1])
    assert load_checkpoint(path)["number"] == 1
    assert (damaged(path).exists(), path.exists()) == (True, False)
    save_checkpoint(path, {"number": 3})
    assert load_checkpoint(path)["number"] == 3
    path.unlink()
    assert load_checkpoint(path)["number"] == 1


def test_a_full_disk_is_told_with_the_file_and_what_was_there_stays(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"number": 1})
    for error in (OSError(errno.ENOSPC, "No space left on device"), RuntimeError("PytorchStreamWriter failed writing")):
        monkeypatch.setattr(torch, "save", lambda *arguments, error=error: (_ for _ in ()).throw(error))
        with pytest.raises(ConfigError, match=r"the checkpoint checkpoint\.pt can't be written"):
            save_checkpoint(path, {"number": 2})
        monkeypatch.undo()
    assert load_checkpoint(path)["number"] == 1
    assert [place.name for place in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_each_of_several_trainings_has_a_place_and_the_last_one_the_run_s_own(tmp_path):
    path = tmp_path / "checkpoint.pt"
    places = [step_state(path, step, 3) for step in (1, 2, 3)]
    assert [str(place.relative_to(tmp_path)) for place in places] == [
        "step1/checkpoint.pt", "step2/checkpoint.pt", "checkpoint.pt",
    ]  # fmt: skip
