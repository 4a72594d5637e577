"""A node's kind is noted once, travels with copies of its graph, and is noted anew where the node changes."""

import operator
import pickle
from collections import Counter
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.fx import Graph, GraphModule, symbolic_trace

from rdpass.capture.trace import trace
from rdpass.core.errors import PassError
from rdpass.core.plan import Traced
from rdpass.inspection import inspect
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.analysis.shortcuts.check_plain import find_not_plain
from rdpass.passes.distill.fade_shortcuts import fade_shortcuts
from rdpass.passes.distill.initialise_student import fold_dirac, initialise_student
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.exact.exact_removal import choose_exact, remove_exactly
from rdpass.passes.graph import node_kinds
from rdpass.passes.graph.absorb_padding import absorb_padding
from rdpass.passes.graph.annotate import annotate
from rdpass.passes.graph.deploy_form import DEPLOY_FORM
from rdpass.passes.graph.editing import place_module, turn_into_call
from rdpass.passes.graph.fold_batch_norm import fold_batch_norm
from rdpass.passes.graph.node_kinds import annotate_kinds, classify, kind_of, module_of
from rdpass.passes.graph.pass_manager import run_passes
from tests.models import SharedLayer, bottleneck, classifier, conv_bn, inverted_residual, seeded, small_resnet
from tests.support import error_between

EXAMPLE = torch.randn(1, 3, 9, 9)


def kinds(graph_module):
    return [kind_of(node) for node in graph_module.graph.nodes]


def fresh(graph_module):
    """The kinds as if nothing had been noted."""
    return [classify(node, module_of(graph_module, node)) for node in graph_module.graph.nodes]


def node_of(graph_module, kind):
    return next(node for node in graph_module.graph.nodes if kind_of(node) == kind)


@pytest.fixture
def classified(monkeypatch):
    """What the classifier was asked, call by call: the node's name and what it calls."""
    asked = []

    def counted(node, module):
        asked.append((node.name, node.op, node.target, type(module)))
        return classify(node, module)

    monkeypatch.setattr(node_kinds, "classify", counted)
    return asked


def test_capture_asks_the_classifier_once_a_node(classified):
    traced = trace(seeded(small_resnet), EXAMPLE)
    assert len(classified) == len(traced.module.graph.nodes) == 31


def test_inspect_asks_it_once_a_node_and_once_for_each_that_its_exact_plans_turn_into_another(classified):
    plan = inspect(seeded(small_resnet), EXAMPLE)
    assert len(classified) == len(set(classified)) == 31 + 3
    twice = {name for name, count in Counter(name for name, *_ in classified).items() if count > 1}
    assert twice == {region.add for region in plan.regions}


def test_a_layer_that_is_lifted_out_of_a_function_is_classified_by_each_of_its_forms(classified):
    class Functional(nn.Module):
        def forward(self, x):
            return nn.functional.relu(x).tanh()

    traced = trace(Functional(), EXAMPLE)
    assert kinds(traced.module) == ["placeholder", "activation", "activation", "output"]
    assert len(classified) == 4 + 2


def test_a_deep_copy_has_the_kinds_and_asks_nothing(classified):
    traced = trace(seeded(small_resnet), EXAMPLE)
    classified.clear()
    copied = deepcopy(traced.module)
    annotate_kinds(copied)
    assert kinds(copied) == kinds(traced.module)
    assert classified == []


def test_a_node_without_a_kind_is_named_and_so_is_one_that_calls_another_thing_by_now():
    graph_module = symbolic_trace(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()))
    conv = next(node for node in graph_module.graph.nodes if node.op == "call_module")
    with pytest.raises(PassError, match="_0: its kind is not noted"):
        kind_of(conv)
    annotate_kinds(graph_module)
    assert kind_of(conv) == "conv"
    conv.op, conv.target, conv.args = "call_function", operator.add, (conv.args[0], conv.args[0])
    with pytest.raises(PassError, match="_0: its kind is not noted"):
        kind_of(conv)
    annotate_kinds(graph_module)
    assert kind_of(conv) == "add"


def test_a_module_that_was_replaced_under_its_path_is_seen_by_the_next_pass_and_by_the_census():
    traced = trace(seeded(lambda: nn.Sequential(*conv_bn(3, 3), nn.ReLU())), EXAMPLE)
    norm = node_of(traced.module, "batch_norm")
    traced.module.set_submodule(norm.target, nn.Sigmoid())
    assert kinds(fold_batch_norm(traced.module)) == ["placeholder", "conv", "activation", "activation", "output"]
    assert kind_of(norm) == "batch_norm"  # the graph given is only read
    take_census(traced)
    assert kind_of(norm) == "activation"
    traced.module.set_submodule(norm.target, nn.MultiheadAttention(3, 1))
    assert find_not_plain(traced.module).add == norm.name


def test_a_module_that_a_pass_places_is_known_at_once_at_its_own_path_and_at_a_shared_ones():
    traced = trace(seeded(SharedLayer), torch.randn(1, 4, 7, 7))
    first, second = (node for node in traced.module.graph.nodes if kind_of(node) == "conv")
    place_module(traced.module, first, nn.ReLU())
    assert (kind_of(first), kind_of(second)) == ("activation", "conv")
    place_module(traced.module, second, nn.Identity())
    assert (kind_of(first), kind_of(second)) == ("activation", "pass")
    add = node_of(traced.module, "add")
    turn_into_call(traced.module, add, first.target, add.args[0])
    assert kind_of(add) == "activation"


def test_a_graph_by_hand_and_one_that_was_pickled_go_through_passes_as_they_are():
    model = seeded(lambda: nn.Sequential(*conv_bn(3, 4), nn.ReLU()))
    by_hand = symbolic_trace(model)
    pickled = pickle.loads(pickle.dumps(trace(model, EXAMPLE).module))
    for given in (by_hand, pickled):
        folded = fold_batch_norm(given)
        assert kinds(folded) == ["placeholder", "conv", "activation", "output"]
        assert error_between(folded, model, EXAMPLE) <= 1e-6


def test_a_product_with_a_parameter_is_linear_and_one_of_two_maps_is_attention():
    root, graph = nn.Module(), Graph()
    root.weight = nn.Parameter(torch.randn(4, 4))
    x = graph.placeholder("x")
    product = graph.call_function(torch.matmul, (x, x))
    graph.output(product)
    graph_module = GraphModule(root, graph)
    graph_module.weight = root.weight
    annotate(graph_module, (torch.randn(4, 4),))
    assert kind_of(product) == "attention"
    with graph.inserting_before(product):
        product.args = (x, graph.get_attr("weight"))
    annotate(graph_module, (torch.randn(4, 4),))
    assert kinds(graph_module) == ["placeholder", "get_attr", "linear", "output"]


def _exact(traced):
    regions, _ = take_census(traced)
    shell = Traced(absorb_padding(traced.module), traced.example)
    return remove_exactly(absorb_padding(traced.module), choose_exact(shell, {region.add for region in regions}))


CHANGES = {
    "deploy form": lambda traced: run_passes(traced, DEPLOY_FORM).module,
    "exact": _exact,
    "removed": lambda traced: remove_shortcuts(traced.module, take_census(traced)[0]),
    "faded": lambda traced: fade_shortcuts(traced.module, take_census(traced)[0]).module,
    "dirac": lambda traced: initialise_student(traced.module, "dirac", {n.name for n in traced.module.graph.nodes}),
    "folded": lambda traced: fold_dirac(CHANGES["dirac"](traced)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "build",
    [
        small_resnet,
        lambda: classifier(bottleneck(8, 4, 2)),
        lambda: classifier(inverted_residual(8, 16)),
        lambda: nn.Sequential(nn.Conv2d(3, 4, 1), SharedLayer()),
    ],
    ids=["basic", "bottleneck", "inverted", "shared"],
)
def test_after_every_change_the_noted_kinds_are_those_that_the_classifier_would_give(build, change):
    changed = CHANGES[change](trace(seeded(build), EXAMPLE))
    assert kinds(changed) == fresh(changed)
