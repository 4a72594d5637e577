import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.distill.fade_shortcuts import fade_shortcuts
from rdpass.passes.distill.reparam_fold import fold_branches
from rdpass.passes.distill.reparam_init import initialise_branches
from rdpass.passes.distill.reparam_plan import plan_reparam
from tests.models import (
    PreActivation,
    Residual,
    SharedLayer,
    SqueezeExcite,
    TwoInputs,
    basic_block,
    bottleneck,
    classifier,
    conv_bn,
    inverted_residual,
    seeded,
)
from tests.passes.distill.fading import PLAIN, faded, gated, perturb
from tests.support import Untouched, error_between

GATED = [
    (lambda: classifier(gated(8, 4, "middle")), (2, 3, 8, 8), [3]),
    (lambda: classifier(gated(8, 4, "end")), (2, 3, 8, 8), [3]),
    (lambda: classifier(Residual(nn.Sequential(conv_bn(8, 8), nn.ReLU(), conv_bn(8, 8), SqueezeExcite(8)))),
     (2, 3, 8, 8), [2]),
]  # fmt: skip


@pytest.mark.parametrize(("build", "shape", "branches"), PLAIN + GATED)
def test_a_fading_graph_starts_as_the_model_and_folds_into_what_it_ends_as(build, shape, branches):
    model = seeded(build)
    traced, fading = faded(model, *shape)
    before = Untouched(traced.module)
    x = torch.randn(shape)
    assert list(fading.branches.values()) == branches
    assert error_between(fading.module, model, x) <= 1e-6
    perturb(fading.module)
    assert error_between(fading.module, model, x) <= 1e-6
    fading.set_faded(1.0)
    during = Untouched(fading.module)
    folded = fold_branches(fading.module)
    assert error_between(folded, fading.module, x) <= 1e-5
    assert error_between(folded, model, x) > 1e-3
    before.check()
    during.check()


def test_the_identity_keeps_its_whole_strength_on_the_way_by_roots_and_not_linearly():
    _, fading = faded(seeded(lambda: classifier(bottleneck(8, 4))), 1, 3, 8, 8)
    parts = [fading.module.get_submodule(name) for name in next(iter(fading.parts.values()))]
    for growth, kept in (("root", 1.0), ("linear", 0.5 + 0.125)):
        fading.set_faded(0.5, growth)
        strengths = [part.strength for part in parts]
        assert strengths[0] + strengths[1] * strengths[2] * strengths[3] == pytest.approx(kept)
    assert parts[1].bias_strength == parts[1].strength
    assert parts[3].bias_strength == pytest.approx(parts[3].strength ** 3)


def test_a_shortcut_whose_weight_is_computed_after_the_body_fades_too():
    class Computed(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(*conv_bn(4, 8), nn.ReLU(), *conv_bn(8, 8))
            self.weight = nn.Parameter(torch.randn(8, 4, 1, 1))

        def forward(self, x):
            y = self.body(x)
            return y + nn.functional.conv2d(x, self.weight / self.weight.std())

    model = seeded(lambda: classifier(Computed()))
    _, fading = faded(model, 2, 3, 8, 8)
    assert list(fading.branches.values()) == [2]
    x = torch.randn(2, 3, 8, 8)
    assert error_between(fading.module, model, x) <= 1e-6
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), fading.module, x) <= 1e-5


def test_a_shared_layer_takes_a_different_identity_at_each_place():
    model = seeded(lambda: nn.Sequential(SharedLayer(), nn.Conv2d(4, 2, 1)))
    _, fading = faded(model, 2, 4, 7, 7)
    x = torch.randn(2, 4, 7, 7)
    assert error_between(fading.module, model, x) <= 1e-6
    perturb(fading.module)
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), fading.module, x) <= 1e-5


def test_a_shortcut_beside_a_second_input_fades():
    class Guided(nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.beside, self.head = basic_block(3, 3), TwoInputs(), nn.Conv2d(3, 2, 1)

        def forward(self, x, y):
            return self.head(self.block(self.beside(x, y)))

    model = seeded(Guided)
    example = (torch.randn(2, 3, 7, 5), torch.randn(2, 3, 7, 5))
    traced = trace(model, example)
    regions = plan_of(traced).removable
    reparams = [plan_reparam(traced.module, region) for region in regions]
    fading = fade_shortcuts(traced.module, regions, initialise_branches(traced.module, reparams, [example]))
    assert error_between(fading.module, model, *example) <= 1e-6
    perturb(fading.module)
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), fading.module, *example) <= 1e-5


@pytest.mark.parametrize("block", [basic_block(8, 8), bottleneck(8, 4), inverted_residual(8, 12), PreActivation(8)])
def test_the_branches_and_the_body_learn_while_the_shortcut_fades(block):
    _, fading = faded(seeded(lambda: classifier(block)), 2, 3, 9, 9)
    for u in (0.0, 0.5, 1.0):
        fading.set_faded(u)
        fading.module.zero_grad()
        fading.module.train()(torch.randn(4, 3, 9, 9)).square().sum().backward()
        assert all(parameter.grad is not None for parameter in fading.module.parameters())
