"""Checkpoints: two generations, of which one is whole at every moment."""

import pytest

from rdpass.core.errors import ConfigError
from rdpass.training.checkpoint import load_checkpoint, previous, save_checkpoint
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
