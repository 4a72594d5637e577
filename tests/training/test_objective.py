"""What holds for every objective: who is trained, who is frozen, and what is not said by default."""

import pytest
import torch
from torch import nn

from rdpass.training.objective import Batch, Objective, nothing_fades


def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def test_a_student_that_came_frozen_is_thawed_and_a_teacher_frozen():
    made = Objective(net().requires_grad_(False), net().train())
    assert all(parameter.requires_grad for parameter in made.student.parameters())
    assert not any(parameter.requires_grad for parameter in made.teacher.parameters())
    assert not made.teacher.training


def test_training_mode_reaches_everything_but_the_teacher():
    made = Objective(net(), net())
    assert made.train() is made
    assert all(module.training for module in made.student.modules())
    assert not any(module.training for module in made.teacher.modules())
    assert not any(module.training for module in made.eval().modules())


def test_both_are_in_its_state_under_their_names():
    names = {name.partition(".")[0] for name in Objective(net(), net()).state_dict()}
    assert names == {"student", "teacher"}


def test_it_has_no_loss_of_its_own_and_nothing_to_say_of_progress():
    made = Objective(net(), net())
    assert made.set_progress(0.5) == nothing_fades(0.5) == {}
    with pytest.raises(NotImplementedError):
        made(Batch((torch.zeros(1, 3, 8, 8),)))


def test_a_batch_may_be_without_targets_and_is_not_changed():
    batch = Batch((torch.zeros(1),))
    assert batch.targets is None
    with pytest.raises(AttributeError):
        batch.targets = 1
