"""Snapshots: of this model and these settings, finite, and whole."""

import copy

import pytest
import torch
from torch import nn

from rdpass.core.errors import ConfigError
from rdpass.training.config import DistillConfig
from rdpass.training.faults import NotFinite
from rdpass.training.objective import Batch
from rdpass.training.options import PathOptions
from rdpass.training.state import Keeper, Position, fingerprint, restore_snapshot, take_snapshot, trained_state
from rdpass.training.step import Stepper
from rdpass.training.world import World
from tests.data import batches
from tests.training.support import network, objective, trained


@pytest.mark.parametrize(
    ("scale", "settings", "message"),
    [(1.0, {"lr": 0.5}, r"other settings \(lr\)"), (2.0, {}, "a model with other weights")],
    ids=["settings", "model"],
)
def test_a_checkpoint_of_something_else_is_refused(tmp_path, scale, settings, message):
    path = tmp_path / "checkpoint.pt"
    trained(checkpoint=path, epochs=1)
    model = network()
    with torch.no_grad():
        model[0][0].weight.mul_(scale)
    with pytest.raises(ConfigError, match=message):
        trained(checkpoint=path, resume=True, of=objective(model), **{"epochs": 1, **settings})


def test_a_fingerprint_tells_models_apart_by_any_weight_or_statistic():
    model = network()
    before = fingerprint(model)
    assert fingerprint(network()) == before
    next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d)).running_mean[0] += 1e-3
    assert fingerprint(model) != before


def snapshot_of(made, position=None, **settings):
    config = DistillConfig(**settings)
    stepper = Stepper(made, config, World())
    return take_snapshot(made, stepper, position or Position(), config, "teacher"), stepper, config


def test_a_snapshot_puts_weights_momenta_and_position_back():
    made = objective(network(0.0))
    images, labels = batches(1)[0]
    position = Position(epoch=2, consumed=1, step=9, sums={"task": 1.5}, skipped=[(0, 3)], failed=[(1, 2)])
    _, stepper, config = snapshot_of(made)
    stepper.take([Batch((images,), labels)], len(images), 0.1, 0)
    snapshot = copy.deepcopy(take_snapshot(made, stepper, position, config, "teacher"))
    weights = {name: value.clone() for name, value in made.student.state_dict().items()}
    stepper.take([Batch((images,), labels)], len(images), 0.1, 0)
    assert any(not torch.equal(value, weights[name]) for name, value in made.student.state_dict().items())
    assert restore_snapshot(snapshot, made, stepper, config, "teacher") == position
    assert all(torch.equal(value, weights[name]) for name, value in made.student.state_dict().items())


def test_a_frozen_teacher_is_not_kept_and_one_that_is_trained_is():
    made = objective()
    assert {name.partition(".")[0] for name in trained_state(made)} == {"student"}
    made.teacher.requires_grad_(True)
    assert {name.partition(".")[0] for name in trained_state(made)} == {"student", "teacher"}


def test_what_is_not_finite_is_never_kept():
    made = objective()
    next(made.student.parameters()).data[0] = float("inf")
    with pytest.raises(NotFinite, match="weights are not finite after step 7"):
        snapshot_of(made, Position(step=7))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 1}, "another version"),
        ({"teacher": "another"}, "a model with other weights"),
        ({"objective": {"student.nowhere": torch.zeros(1)}}, "another recipe or selection"),
        ({"objective": {"student.0.0.weight": torch.zeros(1)}}, "does not fit the student"),
    ],
    ids=["version", "teacher", "names", "shapes"],
)
def test_a_snapshot_of_something_else_is_refused(change, message):
    made = objective()
    snapshot, stepper, config = snapshot_of(made)
    with pytest.raises(ConfigError, match=message):
        restore_snapshot({**snapshot, **change}, made, stepper, config, "teacher")


def test_settings_that_say_where_and_what_is_kept_may_change():
    made = objective()
    snapshot, stepper, config = snapshot_of(made)
    free = config.model_copy(update={"log_steps": 3, "checkpoint_seconds": 1.0, "on_nan": "rollback"})
    assert restore_snapshot(snapshot, made, stepper, free, "teacher") == Position()
    for change in ({"lr": 1.0}, {"epochs": 99}, {"paths": PathOptions(mixed=True)}):
        with pytest.raises(ConfigError, match=next(iter(change))):
            restore_snapshot(snapshot, made, stepper, config.model_copy(update=change), "teacher")


def test_a_checkpoint_of_before_a_setting_was_there_is_one_with_its_default():
    made = objective()
    snapshot, stepper, config = snapshot_of(made)
    for name in ("optimiser", "optimiser_options", "schedule", "schedule_options", "parameters"):
        del snapshot["config"][name]
    del snapshot["config"]["paths"]["transform"]
    assert restore_snapshot(snapshot, made, stepper, config, "teacher") == Position()
    with pytest.raises(ConfigError, match=r"other settings \(schedule\)"):
        restore_snapshot(snapshot, made, stepper, config.model_copy(update={"schedule": "linear"}), "teacher")


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_keeper_without_a_place_keeps_in_memory_if_asked_and_gives_copies(in_memory):
    keeper = Keeper(None, in_memory)
    snapshot = {"history": [1]}
    keeper.save(snapshot)
    snapshot["history"].append(2)
    found = keeper.load()
    assert found == ({"history": [1]} if in_memory else None)
    if found:
        found["history"].clear()
        assert keeper.load() == {"history": [1]}


def test_a_keeper_with_a_place_keeps_there_and_has_nothing_before(tmp_path):
    keeper = Keeper(tmp_path / "c.pt", in_memory=True)
    assert keeper.load() is None
    keeper.save({"step": 3})
    assert Keeper(tmp_path / "c.pt", in_memory=False).load() == {"step": 3}
