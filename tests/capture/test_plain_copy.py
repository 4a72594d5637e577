"""The copy that everything works on: the network alone, its own in every part, and the model as it was."""

import pytest
import torch
from torch import nn

from rdpass.capture.plain_copy import plain_copy
from rdpass.core.errors import ConfigError
from tests.models import seeded, small_resnet
from tests.support import Untouched, error_between


def test_a_copy_of_everything_at_once_computes_what_the_model_does():
    model = seeded(small_resnet)
    nn.utils.parametrizations.weight_norm(model[0][0])
    model[1] = nn.DataParallel(model[1])
    model = torch.optim.swa_utils.AveragedModel(nn.DataParallel(model)).train()
    before = Untouched(model)
    copied = plain_copy(model)
    before.check()
    assert copied.notes == ()
    assert type(copied.module) is nn.Sequential
    assert sorted(copied.module.state_dict()) == sorted(seeded(small_resnet).state_dict())
    assert error_between(copied.module, seeded(small_resnet), torch.randn(2, 3, 9, 9)) <= 1e-6


def test_what_can_not_be_copied_is_told_with_what_to_do():
    model = nn.Conv2d(3, 3, 1)
    model.seen = model(torch.randn(1, 3, 4, 4))
    with pytest.raises(ConfigError, match=r"Conv2d can't be copied \(.*\); clear what it cached"):
        plain_copy(model)


class Uncopyable:
    """What a trainer holds: processes, locks, open files."""

    def __deepcopy__(self, memo):
        raise TypeError("cannot pickle a process")


@pytest.mark.parametrize("name", ["_trainer", "_fabric"])
def test_a_module_in_training_is_copied_without_its_trainer(name):
    model = seeded(small_resnet)
    trainer = Uncopyable()
    setattr(model, name, trainer)
    setattr(model[1], name, trainer)
    copied = plain_copy(model).module
    assert (getattr(copied, name), getattr(copied[1], name)) == (None, None)
    assert getattr(model, name) is trainer
