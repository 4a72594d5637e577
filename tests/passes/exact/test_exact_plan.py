"""A removal as data: what it costs, and what a graph is once it is made."""

import pytest
import torch
from torch import nn

from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.analysis.value_range import RANGE
from rdpass.passes.exact.carry_shortcut import plan_carry
from rdpass.passes.exact.exact_plan import Change, ExactPlan, apply_plan, priced
from rdpass.passes.exact.merge_branches import plan_merge
from rdpass.passes.graph.editing import own_copy, tidy
from rdpass.passes.graph.node_kinds import kind_of, shape_of
from tests.models import PreActivation, Residual, basic_block, conv_bn
from tests.passes.exact.exact_cases import COVERED, two
from tests.passes.exact.regions import traced_block
from tests.support import error_between

POSITIVE = (0.0, float("inf"))
CARRIED = ["pre-activation", "relu first", "se inside", "grouped last", "gelu last", "resnet-d", "partial", "option A"]


def applied(traced, plan):
    result = own_copy(traced.module)
    apply_plan(result, plan, POSITIVE)
    return tidy(result)


@pytest.mark.parametrize("name", CARRIED)
def test_the_price_is_what_the_graph_costs_more_once_it_is_made_and_its_annotation_is_right(name):
    build, _ = COVERED[name]
    traced, region = traced_block(build())
    plan = plan_carry(traced.module, region, POSITIVE)
    assert isinstance(plan, ExactPlan)
    made = applied(traced, plan)
    assert macs_of(made) - macs_of(traced.module) == plan.extra_macs
    assert error_between(made, traced.module, *traced.example) <= 1e-10
    noted = {node.name: shape_of(node) for node in made.graph.nodes}
    seen = {}

    class Watch(torch.fx.Interpreter):
        def run_node(self, n):
            result = super().run_node(n)
            if isinstance(result, torch.Tensor):
                seen[n.name] = tuple(result.shape)
            return result

    Watch(made).run(*traced.example)
    for node in made.graph.nodes:
        if kind_of(node) in ("conv", "activation", "add") and node.name in seen:
            assert noted[node.name] == seen[node.name], node.name


def test_a_merged_add_is_a_convolution_under_its_own_name_in_the_last_layers_place():
    traced, region = traced_block(Residual(conv_bn(4, 4)))
    plan = plan_merge(traced.module, region)
    made = applied(traced, plan)
    add = next(node for node in made.graph.nodes if node.name == region.add)
    assert (kind_of(add), add.target, add.all_input_nodes[0].name) == ("conv", "2.body.0", region.fork)
    assert add.meta[RANGE] == POSITIVE
    assert plan.extra_macs == 0
    assert not set(region.body) & {node.name for node in made.graph.nodes}


def test_an_entry_is_read_by_the_body_alone():
    traced, region = traced_block(PreActivation(4))
    plan = plan_carry(traced.module, region, POSITIVE)
    assert plan.entry is not None
    made = applied(traced, plan)
    nodes = {node.name: node for node in made.graph.nodes}
    fork = nodes[region.fork]
    (entry,) = fork.users
    assert entry.target == f"{region.add}_entry"
    assert shape_of(entry)[1] == plan.entry.out_channels == 8


def test_a_price_counts_what_goes_and_what_comes():
    traced, region = traced_block(two())
    wider = nn.Conv2d(4, 10, 3, padding=1)
    conv = region.body[0]
    plan = priced(traced.module, ExactPlan(region, "carry", region.add, (Change(conv, wider, 10),)))
    positions = 2 * 8 * 8
    assert plan.extra_macs == positions * (10 - 4) * 4 * 9
    free = priced(traced.module, ExactPlan(region, "carry", region.add, ()))
    assert free.extra_macs == 0


def test_a_projection_is_part_of_what_goes():
    traced, region = traced_block(basic_block(4, 6))
    without = priced(traced.module, ExactPlan(region, "carry", region.add, ()))
    assert without.extra_macs == -2 * 8 * 8 * 4 * 6
