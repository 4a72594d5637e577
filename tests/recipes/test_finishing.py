"""After the training: statistics that still hold, a fold that is exact, numbers that exist."""

import copy

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.core.errors import DivergedError, ParityError, PassError
from rdpass.passes.distill.reparam_fold import fold_branches
from rdpass.recipes.finishing import finished_student, rehearse
from rdpass.training.request import Request
from tests.models import basic_block, classifier, seeded
from tests.support import Untouched

EXAMPLE = torch.randn(1, 3, 8, 8)


def folded(module, fold=fold_branches):
    traced = trace(module, EXAMPLE)
    return finished_student(traced, (fold,), trace(copy.deepcopy(module), EXAMPLE))


def test_a_fold_that_is_off_by_little_is_found_out_in_double_precision():
    def off_by_a_little(module):
        result = fold_branches(module)
        next(result.parameters()).data.mul_(1 + 1e-6)
        return result

    model = seeded(lambda: classifier(nn.Conv2d(8, 8, 3, 1, 1)))
    assert {gate.name: gate.tolerance for gate in folded(model).gates}["fold_branches"] == 1e-9
    with pytest.raises(ParityError, match="off_by_a_little"):
        folded(model, off_by_a_little)


class Chaotic(nn.Module):
    """Magnifies rounding: each round shifts the digits of its input up, and keeps those behind the point."""

    def __init__(self, rounds):
        super().__init__()
        self.conv, self.rounds = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), rounds

    def forward(self, x):
        x = self.conv(x)
        for _ in range(self.rounds):
            x = torch.sin(8 * x)
        return x


def test_a_network_that_magnifies_rounding_is_held_to_what_it_can_keep_and_refused_beyond_use():
    gates = {gate.name: gate for gate in folded(seeded(lambda: Chaotic(4))).gates}
    assert 1e-4 < gates["settled"].tolerance < 1e-2
    with pytest.raises(ParityError, match="activations have run away: train longer"):
        folded(seeded(lambda: Chaotic(7)))


def test_outputs_that_are_not_finite_are_said_to_be_so():
    model = seeded(lambda: classifier(nn.Conv2d(8, 8, 3, 1, 1)))
    traced = trace(model, EXAMPLE)
    next(traced.module.parameters()).data.fill_(1e38)
    with pytest.raises(DivergedError, match="not finite on the example"):
        finished_student(traced, (), traced)


def test_a_student_that_costs_more_than_the_plain_network_is_a_bug():
    wide, narrow = (seeded(lambda c=c: classifier(basic_block(4, c), channels=c)) for c in (8, 6))
    with pytest.raises(PassError, match="MACs"):
        finished_student(trace(wide, EXAMPLE), (), trace(narrow, EXAMPLE))


def rehearsed(model, folds=(fold_branches,), counterpart=None, weight=None):
    """The students that were to be saved; ``weight``: what the first layer's are set to."""
    saved, traced = [], trace(model, EXAMPLE)
    if weight is not None:
        next(traced.module.parameters()).data.fill_(weight)
    before, generator = Untouched(traced.module), torch.get_rng_state()
    rehearse(traced, folds, trace(counterpart or model, EXAMPLE), Request(check_saved=saved.append))
    before.check()
    assert torch.equal(torch.get_rng_state(), generator)
    return saved


def test_a_student_is_rehearsed_in_its_final_form_whatever_its_numbers_are():
    model = seeded(lambda: classifier(nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8))))
    (student,) = rehearsed(model, weight=1e38)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in student.module.modules())
    assert all(torch.isfinite(parameter).all() for parameter in student.module.parameters())
    assert len(rehearsed(seeded(lambda: Chaotic(7)))) == 1


def test_what_does_not_fold_is_told_before_the_training_and_what_has_no_numbers_is_not_saved():
    wide, narrow = (seeded(lambda c=c: classifier(basic_block(4, c), channels=c)) for c in (8, 6))
    with pytest.raises(PassError, match="MACs"):
        rehearsed(wide, (), narrow)

    class Endless(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.scale = nn.Conv2d(3, 4, 1), nn.Parameter(torch.ones(()))

        def forward(self, x):
            return self.conv(x) * self.scale

    endless = Endless()
    traced = trace(endless, EXAMPLE)
    traced.module.scale.data.fill_(float("inf"))
    rehearse(traced, (), traced, Request(check_saved=lambda student: pytest.fail("no numbers to compare")))
