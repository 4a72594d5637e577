"""Branches fold into the layers that they go round, once the shortcuts have faded."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rdpass.core.errors import PassError
from rdpass.inspection import plan_of
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.analysis.shortcuts.check_plain import check_plain
from rdpass.passes.distill.calibrate_gates import calibrate_gates
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.distill.reparam_fold import fold_branches
from rdpass.passes.graph.annotate import annotate
from rdpass.passes.graph.layers import ShiftedBias
from tests.models import (
    Residual,
    classifier,
    conv_bn,
    seeded,
    small_resnet,
)
from tests.passes.distill.fading import PLAIN, faded, perturb
from tests.strategies import blocks, wide_blocks
from tests.support import error_between


@pytest.mark.parametrize(("build", "shape", "branches"), PLAIN)
def test_a_folded_graph_is_the_strictly_plain_network_of_the_same_cost(build, shape, branches):
    traced, fading = faded(seeded(build), *shape)
    fading.set_faded(1.0)
    folded, bare = fold_branches(fading.module), remove_shortcuts(traced.module, plan_of(traced).removable)
    for module in (folded, bare):
        annotate(module, traced.example)
    check_plain(folded)
    assert macs_of(folded) == macs_of(bare)


def test_a_graph_is_not_folded_before_its_shortcuts_have_faded():
    _, fading = faded(seeded(small_resnet), 1, 3, 8, 8)
    fading.set_faded({"add": 1.0, "add_1": 0.75, "add_2": 1.0})
    with pytest.raises(PassError, match=r"add_1 still has 0\.25"):
        fold_branches(fading.module)


class LinearGate(nn.Module):
    """Squeeze-and-excitation by linear layers, the first of them without a bias."""

    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Linear(channels, 3, bias=False), nn.Linear(3, channels)

    def forward(self, x):
        n, c, _, _ = x.size()
        pooled = nn.functional.adaptive_avg_pool2d(x, 1).view(n, c)
        return x * torch.sigmoid(self.up(torch.relu(self.down(pooled)))).view(n, c, 1, 1).expand_as(x)


def test_a_gate_of_linear_layers_has_a_shift_that_folds_into_the_first():
    body = nn.Sequential(*conv_bn(8, 8), nn.ReLU(), *conv_bn(8, 8), LinearGate(8))
    model = seeded(lambda: classifier(Residual(body)))
    x = torch.randn(4, 3, 8, 8)
    _, fading = faded(model, 2, 3, 8, 8)
    calibrate_gates(fading, (x,))
    fading.set_faded(1.0)
    folded = fold_branches(fading.module)
    assert error_between(folded, fading.module, x) <= 1e-5
    assert not any(isinstance(part, ShiftedBias) for part in folded.modules())
    assert sum(part.bias is None for part in folded.modules() if isinstance(part, nn.Linear)) == 0


@settings(max_examples=40, deadline=None)
@given(st.one_of(blocks(), wide_blocks()))
def test_any_chain_of_convolutions_starts_as_it_was_and_folds_into_what_it_ends_as(case):
    block, sizes, seed = case
    model = seeded(lambda: block, seed).double()
    _, fading = faded(model, *sizes)
    x = torch.randn(2, *sizes[1:], dtype=torch.float64)
    assert error_between(fading.module, model, x) <= 1e-12
    perturb(fading.module)
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), fading.module, x) <= 1e-10
