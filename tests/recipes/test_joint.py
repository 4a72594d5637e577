"""``joint``: the paper's loss by default, and each part of it at the user's choice."""

import pytest

from rdpass.recipes.joint import JOINT
from rdpass.training.config import DistillConfig
from rdpass.training.options import PathOptions
from tests.models import seeded
from tests.recipes.nets import converted, three_stages


def test_the_defaults_are_the_papers():
    complete = JOINT.complete(DistillConfig())
    assert (complete.lr, complete.alpha) == (0.1, 0.0)
    assert (complete.paths.mixed, complete.paths.average) == (True, True)
    assert (complete.paths.span, complete.paths.floor, complete.paths.features) == (0.3, 0.5, 0.0)


def test_it_learns_from_labels_over_every_path_and_not_from_logits():
    result = converted(seeded(three_stages), "joint", log_steps=1)
    terms = {name for name in result.history[-1] if name.startswith("loss.")}
    assert terms == {"loss.task", "loss.mixed_add", "loss.mixed_add_1"}
    assert {outcome.reason for outcome in result.outcomes} == {"cut; trained from the teacher's weights"}


@pytest.mark.parametrize(
    ("paths", "extra"),
    [
        ({"features": 1e-4}, {"loss.features", "loss.mixed_features"}),
        ({"teacher": "trained"}, {"loss.own_teacher"}),
        ({"own": False}, set()),
    ],
    ids=lambda given: str(sorted(given) if isinstance(given, set) else given),
)
def test_each_part_is_switched_on_and_off(paths, extra):
    result = converted(seeded(three_stages), "joint", paths=PathOptions(**paths))
    own = set() if paths.get("own") is False else {"loss.task"}
    terms = {name for name in result.history[-1] if name.startswith("loss.")}
    assert terms == {"loss.mixed_add", "loss.mixed_add_1"} | own | extra
