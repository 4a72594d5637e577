"""Without its shortcuts a graph gives what its bodies give."""

import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from tests.models import basic_block, classifier, seeded
from tests.support import Untouched, error_between

X = torch.randn(2, 3, 9, 9)


def test_the_bodies_alone_are_left_and_projections_are_gone():
    model = seeded(lambda: classifier(basic_block(4, 4), basic_block(4, 8, 2)))
    traced = trace(model, X)
    before = Untouched(traced.module)
    removed = remove_shortcuts(traced.module, plan_of(traced).regions)
    stem, first, second, *rest = model
    wanted = nn.Sequential(stem, first.body, nn.ReLU(), second.body, nn.ReLU(), *rest)
    assert error_between(removed, wanted, X) <= 1e-6
    assert not any("shortcut" in name for name, _ in removed.named_modules())
    before.check()


def test_one_of_several_goes_and_the_others_stay():
    traced = trace(seeded(lambda: classifier(*(basic_block(4, 4) for _ in range(3)), channels=4)), X)
    _, middle, _ = plan_of(traced).regions
    removed = trace(remove_shortcuts(traced.module, [middle]), X)
    assert len(take_census(removed)[0]) == 2
    assert "add_1" not in {node.name for node in remove_shortcuts(traced.module, [middle]).graph.nodes}
