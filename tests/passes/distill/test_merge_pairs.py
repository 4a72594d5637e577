"""Activations fade and pairs merge: nothing changes before, numbers are kept at the end, inputs stay as they were."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.core.errors import PassError
from rdpass.core.plan import MergedPair
from rdpass.inspection import plan_of
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.distill.find_pairs import find_pairs
from rdpass.passes.distill.merge_pairs import fade_activations, merge_pairs, merged_plain, plain_form
from rdpass.passes.graph.annotate import annotate
from rdpass.passes.graph.layers import FadingActivation
from tests.models import basic_block, bottleneck, classifier, conv_bn, seeded
from tests.support import Untouched, error_between

X = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
EXACT = 1e-12


class Shared(nn.Module):
    """Two pairs with the same first convolution and the same activation, and one layer down for each and both."""

    def __init__(self):
        super().__init__()
        self.up, self.act = nn.Conv2d(3, 16, 1), nn.PReLU(16)
        self.down, self.back = nn.Conv2d(16, 4, 1, bias=False), nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x):
        x = self.back(self.down(self.act(self.up(x))))
        return self.down(self.act(self.up(x)))


MODELS = {
    "blocks": lambda: classifier(bottleneck(8, 4), bottleneck(8, 4, stride=2, out=12), bottleneck(12, 4), channels=12),
    "layers called twice": Shared,
    "norms, dropout, strides": lambda: nn.Sequential(
        *conv_bn(3, 16, 1, 2), nn.Dropout(0.5), nn.GELU(), nn.Dropout2d(), *conv_bn(16, 16, 1, 2), nn.BatchNorm2d(16),
    ),
    "a norm behind the activation": lambda: nn.Sequential(
        nn.Conv2d(3, 16, 1), nn.ReLU6(), nn.BatchNorm2d(16), nn.Conv2d(16, 4, 1)
    ),
    "in one dimension of three": lambda: nn.Sequential(
        nn.Unflatten(1, (3, 1)), nn.Conv3d(3, 16, 1), nn.SiLU(), nn.Conv3d(16, 4, 1)
    ),
}  # fmt: skip


def plain(build):
    """A plain graph in double precision, shapes annotated."""
    traced = trace(seeded(build).double().eval(), X)
    graph = plain_form(traced.module, plan_of(traced).removable)
    annotate(graph, (X,))
    return graph.eval()


def set_strength(graph, strength):
    for module in graph.modules():
        if isinstance(module, FadingActivation):
            module.strength = strength


@pytest.mark.parametrize("build", MODELS.values(), ids=list(MODELS))
def test_it_starts_as_it_was_and_merges_exactly_where_the_activation_is_gone(build):
    graph = plain(build)
    before = Untouched(graph)
    pairs = find_pairs(graph).pairs
    assert pairs
    faded = fade_activations(graph, pairs)
    assert error_between(faded, graph, X) == 0
    set_strength(faded, 0.0)
    annotate(faded, (X,))
    untouched = Untouched(faded)
    merged = merge_pairs(faded, pairs)
    untouched.check(), before.check()
    assert error_between(merged, faded, X) <= EXACT
    assert error_between(merged, graph, X) > 1e-4
    names = {node.name for node in merged.graph.nodes}
    assert names.isdisjoint(name for pair in pairs for name in (pair.first, pair.activation))
    assert not any(isinstance(module, FadingActivation) for module in merged.modules())
    annotate(merged, (X,))
    assert macs_of(merged) == macs_of(graph) - sum(pair.macs - pair.merged_macs for pair in pairs)


def test_half_way_it_is_half_of_both():
    graph = plain(lambda: nn.Sequential(nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Conv2d(16, 4, 1)))
    faded = fade_activations(graph, find_pairs(graph).pairs)
    set_strength(faded, 0.5)
    first, _, second = graph.children()
    wide = first(X)
    assert torch.allclose(faded(X), second(0.5 * wide + 0.5 * wide.relu()))


def test_what_another_place_calls_stays_as_it_is_there():
    graph = plain(Shared)
    pairs = find_pairs(graph).pairs
    assert len(pairs) == 2
    one = fade_activations(graph, pairs[:1])
    set_strength(one, 0.0)
    annotate(one, (X,))
    assert error_between(merge_pairs(one, pairs[:1]), one, X) <= EXACT


def test_an_activation_that_is_still_there_is_not_merged_away():
    graph = plain(MODELS["blocks"])
    pairs = find_pairs(graph).pairs
    faded = fade_activations(graph, pairs)
    set_strength(faded, 0.25)
    with pytest.raises(PassError, match=r"still an activation by 0\.25"):
        merge_pairs(faded, pairs)


def test_two_layers_that_are_not_one_are_refused_by_name():
    graph = plain(lambda: nn.Sequential(nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Conv2d(16, 4, 1, padding=1)))
    with pytest.raises(PassError, match=r"_0 and _2 are not one convolution: .*zero-padded"):
        merge_pairs(graph, [MergedPair("_0", "_1", "_2", 1, 1)])


def test_a_forecast_has_the_pairs_merged_or_is_none():
    for build, has_pairs in ((MODELS["blocks"], True), (lambda: classifier(basic_block(8, 8)), False)):
        traced = trace(seeded(build).double().eval(), X)
        before = Untouched(traced.module)
        merged = merged_plain(traced.module, plan_of(traced).removable)
        before.check()
        assert (merged is not None) == has_pairs
