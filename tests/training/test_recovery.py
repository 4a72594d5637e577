"""Recovery from numbers that are not finite: back to the last good state, and what is left out."""

from dataclasses import replace

import pytest
import torch

from rdpass.core.errors import DivergedError
from rdpass.training.checkpoint import load_checkpoint
from rdpass.training.config import DistillConfig
from rdpass.training.faults import NotFinite
from rdpass.training.recovery import recovered
from rdpass.training.state import Position
from tests.data import batches
from tests.training.poisoned import INF, Poisoned
from tests.training.support import trained

CARRIED = ("lr_scale", "rollbacks", "skipped", "failed")


@pytest.mark.parametrize("kept", [True, False], ids=["on disk", "in memory"])
@pytest.mark.parametrize("what", ["loss", "gradient", "statistics"])
def test_a_rollback_goes_back_to_the_last_good_state_at_half_the_rate(tmp_path, what, kept):
    path = tmp_path / "checkpoint.pt" if kept else None
    made, history = trained(batches(8, 8), of=Poisoned(what, at=11), checkpoint=path, on_nan="rollback", log_steps=1)
    assert [record["epoch"] for record in history] == [1, 2]
    assert made.calls == 19  # twelve, and the second epoch again
    assert all(torch.isfinite(value).all() for value in made.student.state_dict().values())
    if path is not None:
        position = load_checkpoint(path)["position"]
        assert (position["lr_scale"], position["rollbacks"], position["skipped"]) == (0.5, 1, [])


def test_a_batch_that_fails_twice_is_left_out_and_a_run_that_goes_on_failing_ends(tmp_path):
    class Hostile(Poisoned):
        """Fails on one batch, whenever it comes."""

        def forward(self, batch):
            self.at = self.calls + 1 if float(batch.inputs[0][0, 0, 0, 0]) == 77.0 else -9
            return super().forward(batch)

    data = batches(8, 8)
    data[2][0][0, 0, 0, 0] = 77.0
    path = tmp_path / "checkpoint.pt"
    trained(data, of=Hostile("loss", -9), checkpoint=path, on_nan="rollback", max_rollbacks=4)
    position = load_checkpoint(path)["position"]
    assert position["skipped"] == [(0, 2), (1, 2)]
    assert position["lr_scale"] == 0.25
    with pytest.raises(DivergedError, match="after 2 recoveries"):
        trained(batches(8, 8), of=Poisoned("loss", 3, lasting=True), on_nan="rollback", max_rollbacks=2)


def test_inputs_that_are_not_finite_are_left_out_without_a_step_back(tmp_path):
    data = batches(8, 8)
    data[5][0][3, 1, 2, 2] = INF
    path = tmp_path / "checkpoint.pt"
    made, _ = trained(data, checkpoint=path, on_nan="rollback")
    position = load_checkpoint(path)["position"]
    assert position["skipped"] == [(0, 5), (1, 5)]
    assert position["lr_scale"] == 1.0
    assert position["step"] == 16
    assert all(torch.isfinite(value).all() for value in made.student.state_dict().values())
    with pytest.raises(DivergedError, match=r"batch 5 holds inputs that are not finite .*--on-nan rollback"):
        trained(data)


def position(**changes):
    return Position(epoch=1, consumed=3, step=11, **changes)


DATA, LOSS = NotFinite("batch 3 holds inputs that are not finite", 3, in_data=True), NotFinite("the loss is nan", 3)


def test_to_stop_is_an_error_with_the_place_and_a_remedy_that_fits():
    with pytest.raises(DivergedError, match=r"the loss is nan \(at step 11, batch 3 of epoch 2\); try --clip 1"):
        recovered(position(), position(), LOSS, DistillConfig())
    with pytest.raises(DivergedError, match=r"\); try a lower --lr, or --on-nan rollback"):
        recovered(position(), position(), LOSS, DistillConfig(clip=1.0))
    with pytest.raises(DivergedError, match="leave such batches out, or --on-nan rollback"):
        recovered(position(), position(), DATA, DistillConfig())


def test_the_rate_is_halved_the_first_time_and_the_batch_left_out_the_second():
    config, base = DistillConfig(on_nan="rollback"), Position()
    first = recovered(base, position(), LOSS, config)
    assert (first.lr_scale, first.rollbacks, first.failed, first.skipped) == (0.5, 1, [(1, 3)], [])
    assert (first.epoch, first.step) == (0, 0)
    again = recovered(base, replace(position(), **{name: getattr(first, name) for name in CARRIED}), LOSS, config)
    assert (again.lr_scale, again.rollbacks, again.skipped) == (0.5, 2, [(1, 3)])


def test_data_that_are_not_finite_are_left_out_at_once_at_the_same_rate():
    found = recovered(position(), position(), DATA, DistillConfig(on_nan="rollback"))
    assert (found.lr_scale, found.skipped, found.step) == (1.0, [(1, 3)], 11)


def test_more_than_so_many_recoveries_end_the_run_and_nothing_given_is_changed():
    config = DistillConfig(on_nan="rollback", max_rollbacks=2)
    failed = position(rollbacks=2, failed=[(0, 1)])
    with pytest.raises(DivergedError, match="after 2 recoveries"):
        recovered(Position(), failed, LOSS, config)
    recovered(failed, position(failed=(kept := [(0, 1)])), LOSS, config)
    assert kept == [(0, 1)]
