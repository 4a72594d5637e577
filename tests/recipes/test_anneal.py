"""``anneal``: shortcuts fade and nothing takes over; the settings that it has of its own."""

from rdpass.recipes.anneal import ANNEAL
from rdpass.recipes.catalogue import find_recipe
from rdpass.training.config import DistillConfig
from tests.models import seeded
from tests.recipes.nets import converted, hostile, three_stages
from tests.support import Untouched


def test_every_shortcut_fades_to_the_end_and_no_branch_is_left_behind():
    model = seeded(three_stages)
    before = Untouched(model)
    result = converted(model, "anneal", log_steps=1)
    assert [outcome.reason for outcome in result.outcomes] == ["faded out"] * 3
    assert [name for name, _ in result.student.named_modules() if "branch" in name or "stream" in name] == []
    assert result.cost.macs <= result.plan.forecast.plain.macs
    before.check()


def test_a_block_that_no_branch_fits_fades_like_any_other():
    assert {outcome.reason for outcome in converted(seeded(hostile), "anneal").outcomes} == {"faded out"}


def test_what_is_not_said_is_its_own_choice():
    assert find_recipe("anneal", has_data=True) is ANNEAL
    complete = ANNEAL.complete(DistillConfig())
    assert (complete.lr, complete.paths.mixed) == (0.1, True)
    assert ANNEAL.complete(DistillConfig(lr=0.3)).lr == 0.3
