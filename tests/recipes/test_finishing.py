"""After the training: statistics that still hold, a fold that is exact, numbers that exist."""

import copy

import pytest
import torch
from torch import nn

import rdpass
from rdpass.capture.trace import trace
from rdpass.core.errors import DivergedError, ParityError, PassError
from rdpass.passes.distill.reparam_fold import fold_branches
from rdpass.passes.graph.double_precision import in_double, in_single, rounding_of
from rdpass.recipes.finishing import finished_student
from rdpass.recipes.fresh_statistics import refresh_statistics
from rdpass.training.config import DistillConfig
from rdpass.training.request import Request
from tests.data import batches
from tests.models import basic_block, classifier, seeded, small_resnet
from tests.support import Untouched, error_between

EXAMPLE = torch.randn(1, 3, 8, 8)


def plain_net():
    return seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4)))


def statistics(norm):
    return norm.running_mean.clone(), norm.running_var.clone(), norm.num_batches_tracked.clone()


def request(epochs=1, count=4, **options):
    return Request(train=batches(count), config=DistillConfig(epochs=epochs, **options))


def test_statistics_of_a_network_that_is_no_more_become_those_of_the_training_pictures():
    model = plain_net()
    model[3].momentum = 0.5  # after four steps a sixteenth of the old is left, and after forty nothing
    weights = {name: value.clone() for name, value in model.named_parameters()}
    asked = request()
    refresh_statistics(model, asked, 1.0)
    with torch.no_grad():
        maps = [model[0](x) for x, _ in asked.train]
    assert torch.allclose(model[1].running_mean, torch.stack([m.mean((0, 2, 3)) for m in maps]).mean(0), atol=1e-5)
    assert torch.allclose(model[1].running_var, torch.stack([m.var((0, 2, 3)) for m in maps]).mean(0), atol=1e-5)
    assert [norm.momentum for norm in (model[1], model[3])] == [0.1, 0.5]
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(value, weights[name]) for name, value in model.named_parameters())


@pytest.mark.parametrize(("share", "fresh"), [(1.0, [True, True]), (0.25, [False, True]), (0.0, [False, False])])
def test_statistics_are_kept_where_enough_steps_were_taken_since_the_last_change(share, fresh):
    model = plain_net()
    model[3].momentum = 0.5
    before = [statistics(norm) for norm in (model[1], model[3])]
    refresh_statistics(model, request(epochs=15), share)  # 60 steps
    after = [statistics(norm) for norm in (model[1], model[3])]
    kept = [all(map(torch.equal, old, new)) for old, new in zip(before, after, strict=True)]
    assert kept == fresh


@pytest.mark.parametrize(("size", "images"), [(1, 3), (4, 9)], ids=["one by one", "one left over"])
def test_a_single_row_counts_where_all_batches_are_one(size, images):
    model, train = plain_net(), batches(3, size)
    asked = Request(train=train, config=DistillConfig(epochs=1, student={"statistics_images": images}))
    refresh_statistics(model, asked, 1.0)
    with torch.no_grad():
        means = [model[0](x).mean((0, 2, 3)) for x, _ in (train if size == 1 else train[:2])]
    assert torch.allclose(model[1].running_mean, torch.stack(means).mean(0), atol=1e-5)


def test_an_iterator_that_was_read_to_its_end_is_not_asked_again():
    made = rdpass.convert(
        seeded(small_resnet), EXAMPLE, recipe="kd", train=iter(batches(3)), config=DistillConfig(epochs=1, batches=3),
        show_progress=False,
    )  # fmt: skip
    assert [outcome.how for outcome in made.outcomes] == ["distilled"] * 3


def test_a_graph_in_double_precision_is_a_copy_and_rounds_back_to_the_same():
    traced = trace(seeded(small_resnet), EXAMPLE)
    before = Untouched(traced.module)
    doubled = in_double(traced)
    assert {value.dtype for value in doubled.module.parameters()} == {torch.float64}
    assert doubled.example[0].dtype == torch.float64
    assert 0 < rounding_of(traced) < 1e-6
    assert error_between(in_single(doubled).module, traced.module, EXAMPLE) == 0
    before.check()


class OfItsOwnPrecision(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x.float())


@pytest.mark.parametrize("model", [OfItsOwnPrecision(), nn.Conv2d(3, 4, 3).double()])
def test_what_computes_in_a_precision_of_its_own_stays_in_it(model):
    traced = trace(model, EXAMPLE.to(next(model.parameters())))
    assert in_double(traced) is traced


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
