"""``kd``: logits and labels on the student's own path alone."""

from rdpass.recipes.kd import KD
from rdpass.training.config import DistillConfig
from tests.models import seeded
from tests.recipes.nets import converted, three_stages


def test_the_student_learns_from_its_teacher_and_the_labels_and_from_no_mixed_path():
    result = converted(seeded(three_stages), "kd")
    terms = {name for name in result.history[-1] if name.startswith("loss.")}
    assert terms == {"loss.task", "loss.teacher"}
    assert all(result.history[-1][term] > 0 for term in terms)


def test_what_is_not_said_is_its_own_choice():
    complete = KD.complete(DistillConfig())
    assert (complete.lr, complete.alpha, complete.paths.mixed) == (0.1, 0.9, False)
