"""``plain``: the labels alone; the teacher is not asked."""

import torch

import rdpass
from rdpass.recipes.plain import PLAIN
from rdpass.training.config import DistillConfig
from tests.data import batches
from tests.models import seeded
from tests.recipes.nets import EXAMPLE, converted, three_stages


def test_the_student_learns_from_the_labels_alone():
    result = converted(seeded(three_stages), "plain")
    assert {name for name in result.history[-1] if name.startswith("loss.")} == {"loss.task"}


def test_from_random_weights_the_teachers_count_for_nothing():
    config = DistillConfig(epochs=1, student={"initialise": "random"})
    students = [
        rdpass.convert(model, EXAMPLE, recipe="plain", train=batches(2), config=config, show_progress=False).student
        for model in (seeded(three_stages, 1), seeded(three_stages, 2))
    ]
    (first, second) = (student.state_dict() for student in students)
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_what_is_not_said_is_its_own_choice():
    complete = PLAIN.complete(DistillConfig())
    assert (complete.lr, complete.alpha) == (0.1, 0.0)
