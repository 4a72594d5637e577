"""The moves that changers share leave graphs sound, and those that they were given as they were."""

import torch
from torch import nn
from torch.fx import symbolic_trace

from rdpass.passes.graph.editing import (
    add_module,
    copy_graph,
    copy_without_weights,
    insert_call,
    own_copy,
    place_module,
    prefixes,
    tidy,
    turn_into_call,
)
from rdpass.passes.graph.node_kinds import kind_of
from tests.models import SharedLayer, conv_bn, seeded
from tests.support import Untouched, error_between


def calls(graph_module):
    return [node for node in graph_module.graph.nodes if node.op == "call_module"]


def test_a_module_takes_its_nodes_path_unless_another_node_calls_what_is_there():
    graph_module = own_copy(symbolic_trace(SharedLayer()))
    first, second = (node for node in calls(graph_module) if node.target == "conv")
    place_module(graph_module, first, nn.Conv2d(4, 4, 1))
    assert (first.target, second.target) == ("conv_", "conv")
    place_module(graph_module, second, nn.Conv2d(4, 4, 5, padding=2))
    assert second.target == "conv"
    assert [graph_module.get_submodule(node.target).kernel_size for node in (first, second)] == [(1, 1), (5, 5)]
    assert tidy(graph_module)(torch.randn(1, 4, 7, 7)).shape == (1, 4, 7, 7)


def test_a_name_that_is_taken_gets_underscores():
    graph_module = symbolic_trace(nn.Sequential(nn.ReLU()))
    assert [add_module(graph_module, "more", nn.ReLU()) for _ in range(3)] == ["more", "more_", "more__"]
    assert add_module(graph_module, "graph", nn.ReLU()) == "graph_"


def test_tidying_drops_what_nobody_reads_and_keeps_holders_of_what_is_read():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
            self.idle = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
            self.scale = nn.Module()
            self.scale.factor = nn.Parameter(torch.ones(1))

        def forward(self, x):
            self.inner[1](x)
            return self.inner[0](x) * self.scale.factor

    graph_module = symbolic_trace(Holder())
    graph_module.add_module("idle", nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    tidied = tidy(graph_module)
    assert {name for name, _ in tidied.named_modules() if name} == {"inner", "inner.0", "scale"}
    assert {name for name, _ in tidied.named_parameters()} == {"inner.0.weight", "inner.0.bias", "scale.factor"}
    assert [kind_of(node) for node in tidied.graph.nodes] == ["placeholder", "conv", "get_attr", "mul", "output"]


def test_a_node_that_becomes_a_call_keeps_its_name_and_readers_and_an_inserted_one_lies_right_behind():
    graph_module = own_copy(symbolic_trace(SharedLayer()))
    add = next(node for node in graph_module.graph.nodes if kind_of(node) == "add")
    readers = set(add.users)
    path = add_module(graph_module, "mixed", nn.Bilinear(7, 7, 7))
    turn_into_call(graph_module, add, path, *add.all_input_nodes)
    call = insert_call(graph_module, add, add_module(graph_module, "behind", nn.ReLU()))
    assert (add.name, add.op, set(add.users)) == ("add", "call_module", readers | {call})
    assert (add.next, kind_of(add), kind_of(call)) == (call, "other", "activation")


def test_a_copy_of_the_graph_shares_its_layers_and_a_copy_of_ones_own_does_not():
    given = symbolic_trace(seeded(lambda: conv_bn(3, 4)))
    before = Untouched(given)
    shared, own = copy_graph(given), own_copy(given)
    conv = calls(given)[0].target
    assert shared.get_submodule(conv) is given.get_submodule(conv)
    assert own.get_submodule(conv) is not given.get_submodule(conv)
    place_module(shared, calls(shared)[0], nn.Conv2d(3, 4, 3, padding=1))
    before.check()
    assert error_between(own, given, torch.randn(1, 3, 5, 5)) == 0


def test_a_copy_without_weights_keeps_shapes_flags_and_the_norms_numbers():
    model = seeded(lambda: nn.Sequential(*conv_bn(3, 4), nn.Flatten(), nn.Linear(4, 2)))
    model[0].weight.requires_grad_(False)
    given = symbolic_trace(model)
    before = Untouched(given)
    light = copy_without_weights(given)
    layers = dict(light.named_modules())
    assert all(parameter.is_meta for name in ("0", "3") for parameter in layers[name].parameters())
    assert layers["0"].weight.shape == (4, 3, 3, 3)
    assert [layers["0"].weight.requires_grad, layers["3"].weight.requires_grad] == [False, True]
    assert torch.equal(layers["1"].running_mean, model[1].running_mean)
    before.check()


def test_the_prefixes_of_a_path_are_all_that_it_lies_under():
    assert list(prefixes("a.b.0")) == ["a", "a.b", "a.b.0"]
    assert list(prefixes("a")) == ["a"]
