"""Students without shortcuts from the first step: which node stands for an add, and what a start leaves untouched."""

import random

import pytest
import torch
from torch import nn

import rdpass
from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.recipes.cutting import ends_of_bodies
from rdpass.training.config import DistillConfig
from tests.data import batches
from tests.models import Residual, conv_bn, seeded
from tests.recipes.nets import EXAMPLE, hostile, three_stages


def test_an_add_that_is_gone_is_what_its_body_gave():
    traced = trace(seeded(three_stages), EXAMPLE)
    regions = plan_of(traced).removable
    ends = ends_of_bodies(traced, regions)
    assert list(ends) == [region.add for region in regions]
    assert all(ends[region.add] in region.body for region in regions)


def test_a_body_that_ends_in_an_add_that_is_gone_too_ends_before_that():
    inner = Residual(nn.Sequential(*conv_bn(3, 3)))
    traced = trace(seeded(lambda: nn.Sequential(Residual(nn.Sequential(*conv_bn(3, 3), inner)), nn.ReLU())), EXAMPLE)
    regions = plan_of(traced).removable
    assert len(regions) == 2
    ends = ends_of_bodies(traced, regions)
    assert len(set(ends.values())) == 1
    assert not set(ends.values()) & set(ends)


MODEL = seeded(hostile)


def student(seed=0, how="random"):
    config = DistillConfig(epochs=1, seed=seed, student={"initialise": how})
    return rdpass.convert(MODEL, EXAMPLE, recipe="kd", train=batches(2), config=config, show_progress=False)


def test_random_weights_come_from_the_settings_seed_and_move_no_generator():
    states = []
    for seed in (5, 6):  # of the process, which is not to count
        torch.manual_seed(seed), random.seed(seed)
        before = torch.get_rng_state(), random.getstate()
        states.append(student().student.state_dict())
        assert torch.equal(torch.get_rng_state(), before[0])
        assert random.getstate() == before[1]
    other = student(seed=1).student.state_dict()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert any(not torch.equal(value, other[name]) for name, value in states[0].items())


@pytest.mark.parametrize(
    ("how", "words"),
    [("warm", "the teacher's weights"), ("random", "random weights"), ("dirac", "Dirac convolutions")],
)
def test_the_outcome_says_what_it_was_trained_from(how, words):
    assert {outcome.reason for outcome in student(how=how).outcomes} == {f"cut; trained from {words}"}
