"""Where a network's stages end, and which layers belong to each."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.core.errors import ConfigError
from rdpass.core.plan import Cut
from rdpass.inspection import plan_of
from rdpass.passes.analysis.shortcuts.find_cuts import find_cuts, named_cuts, stage_of_modules
from tests.models import basic_block, classifier, conv_bn, seeded, small_resnet

SHAPE = (2, 3, 9, 7)


def traced_of(model, *shape):
    traced = trace(seeded(lambda: model), torch.randn(shape or SHAPE))
    return traced.module, plan_of(traced).regions


def test_a_stage_ends_at_the_last_add_of_a_run_of_one_shape():
    graph_module, regions = traced_of(classifier(basic_block(4, 4), basic_block(4, 4), basic_block(4, 8, 2)))
    assert find_cuts(graph_module, regions) == (Cut("add_1", (2, 4, 9, 7)), Cut("add_2", (2, 8, 5, 4)))
    assert find_cuts(graph_module, regions[:1]) == (Cut("add", (2, 4, 9, 7)),)
    assert find_cuts(graph_module, ()) == ()


def test_what_ends_one_of_several_parallel_branches_ends_no_stage():
    class Parallel(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = basic_block(3, 3), nn.Sequential(nn.Conv2d(3, 4, 1), basic_block(4, 4))
            self.both = nn.Sequential(*conv_bn(7, 6), basic_block(6, 6))

        def forward(self, x):
            return self.both(torch.cat([self.one(x), self.two(x)], 1))

    graph_module, regions = traced_of(Parallel())
    assert len(regions) == 3
    assert [cut.node for cut in find_cuts(graph_module, regions)] == [regions[-1].add]


def test_an_add_that_is_no_longer_in_the_graph_ends_nothing():
    graph_module, regions = traced_of(small_resnet())
    other, _ = traced_of(classifier(basic_block(4, 4), basic_block(4, 8, 2)))
    assert [cut.node for cut in find_cuts(graph_module, regions)] == ["add", "add_2"]
    assert [cut.node for cut in find_cuts(other, regions)] == ["add", "add_1"]


def test_stages_end_at_their_cuts_and_the_rest_is_the_head():
    graph_module, regions = traced_of(small_resnet())
    cuts = [cut.node for cut in find_cuts(graph_module, regions)]
    stages = stage_of_modules(graph_module, {cut: cut for cut in cuts})
    assert [stages[path] for path in ("0.0", "1.body.0", "2.body.0", "3.body.3", "6")] == [
        cuts[0], cuts[0], cuts[1], cuts[1], "head",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "message"), [("ad", "near: .'add'"), ("_6", "not a feature map"), ("nowhere_at_all", "not a node")]
)
def test_a_cut_that_cannot_be_is_refused_by_name(name, message):
    graph_module, _ = traced_of(small_resnet())
    with pytest.raises(ConfigError, match=message):
        named_cuts(graph_module, graph_module, (name,), {})


def test_a_cut_may_be_any_node_of_both_graphs_also_under_another_name():
    graph_module, _ = traced_of(small_resnet())
    assert named_cuts(graph_module, graph_module, ("_1_after",), {}) == (Cut("_1_after", (2, 4, 9, 7)),)
    assert named_cuts(graph_module, graph_module, ("_1_after",), {"_1_after": "add"}) == (
        Cut("_1_after", (2, 4, 9, 7)),
    )
    with pytest.raises(ConfigError, match="not a feature map of one shape"):
        named_cuts(graph_module, graph_module, ("_1_after",), {"_1_after": "add_2"})
