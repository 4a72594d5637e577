"""How a student starts: with its teacher's weights, anew, or as deltas with a little noise."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.distill.initialise_student import delta_of, fold_dirac, initialise_student
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.graph.layers import DiracConvolution
from tests.models import (
    SharedLayer,
    seeded,
    small_resnet,
)
from tests.recipes.nets import EXAMPLE, hostile
from tests.support import Untouched, error_between

X = torch.randn(2, 3, 9, 9)


def student_of(build, x=X):
    traced = trace(seeded(build), x)
    regions = plan_of(traced).regions
    bodies = {name for region in regions for name in region.body}
    return remove_shortcuts(traced.module, regions), bodies


def test_a_warm_start_is_a_copy_and_a_random_one_is_drawn_from_the_seed():
    student, bodies = student_of(small_resnet)
    before = Untouched(student)
    assert error_between(initialise_student(student, "warm", bodies), student, X) == 0
    torch.manual_seed(3)
    first = initialise_student(student, "random", bodies)
    torch.manual_seed(3)
    again = initialise_student(student, "random", bodies)
    assert error_between(first, again, X) == 0
    assert error_between(first, student, X) > 1e-3
    norm = next(module for module in first.modules() if isinstance(module, nn.BatchNorm2d))
    assert torch.equal(norm.running_mean, torch.zeros_like(norm.running_mean))
    before.check()


def test_dirac_convolutions_stand_in_former_bodies_alone_and_fold_with_their_values():
    student, bodies = student_of(small_resnet)
    dirac = initialise_student(student, "dirac", bodies)
    placed = {name for name, module in dirac.named_modules() if isinstance(module, DiracConvolution)}
    assert placed == {"1.body.0", "1.body.3", "2.body.0", "2.body.3", "3.body.0", "3.body.3"}
    folded = fold_dirac(dirac)
    assert not any(isinstance(module, DiracConvolution) for module in folded.modules())
    assert error_between(folded, dirac, X) <= 1e-6


def test_a_layer_that_is_called_twice_stays_one():
    student, bodies = student_of(lambda: nn.Sequential(SharedLayer(), nn.Conv2d(4, 2, 1)), torch.randn(1, 4, 7, 7))
    dirac = initialise_student(student, "dirac", bodies)
    assert sum(isinstance(module, DiracConvolution) for module in dirac.modules()) == 1
    assert error_between(fold_dirac(dirac), dirac, torch.randn(2, 4, 7, 7)) <= 1e-6


@pytest.mark.parametrize(
    "conv",
    [nn.Conv2d(4, 4, 3, 1, 1), nn.Conv2d(4, 6, 3, 1, 1), nn.Conv2d(6, 4, 1), nn.Conv2d(4, 8, 3, 1, 1, groups=4)],
)
def test_a_delta_passes_channels_on_as_far_as_there_are_as_many_on_both_sides(conv):
    conv.weight.data, conv.bias.data = delta_of(conv), torch.zeros(conv.out_channels)
    x = torch.randn(1, conv.in_channels, 5, 5)
    got = conv(x)
    rows, columns = conv.out_channels // conv.groups, conv.in_channels // conv.groups
    for group in range(conv.groups):
        own = got[:, group * rows : (group + 1) * rows]
        same = min(rows, columns)
        assert torch.equal(own[:, :same], x[:, group * columns : group * columns + same])
        assert not own[:, same:].any()


@pytest.mark.parametrize("how", ["warm", "random", "dirac"])
def test_a_cut_student_starts_as_asked(how):
    traced = trace(seeded(hostile), EXAMPLE)
    regions = plan_of(traced).removable
    bare = remove_shortcuts(traced.module, regions)
    before = Untouched(bare)
    torch.manual_seed(0)
    student = initialise_student(bare, how, [name for region in regions for name in region.body])
    before.check()
    x = torch.randn(2, 3, 8, 8)
    assert (error_between(student, bare, x) == 0) == (how == "warm")
    diracs = [module for module in student.modules() if isinstance(module, DiracConvolution)]
    assert len(diracs) == (13 if how == "dirac" else 0)  # of three, three, two (and a gate's two) and three layers
    folded = fold_dirac(student)
    assert error_between(folded, student, x) <= 1e-6
    assert not any(isinstance(module, DiracConvolution) for module in folded.modules())


def test_a_dirac_convolution_passes_on_the_channels_that_both_sides_have():
    for groups, out in ((1, 4), (1, 9), (2, 4), (6, 6)):
        conv = nn.Conv2d(6, out, 3, 2, 1, groups=groups, bias=False)
        layer = DiracConvolution(conv, delta_of(conv), alpha=1.0, beta=0.0)
        x = torch.randn(1, 6, 7, 5)
        got, passed = layer(x), x[:, :, ::2, ::2]
        rows, columns = out // groups, 6 // groups
        for group in range(groups):
            for i in range(rows):
                expected = passed[:, group * columns + i] if i < columns else torch.zeros(1, 4, 3)
                torch.testing.assert_close(got[:, group * rows + i], expected)
