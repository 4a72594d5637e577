"""Assertions and neutral arithmetic go; what only looks neutral stays."""

import torch
from torch import nn
from torch.fx import symbolic_trace

from rdpass.passes.graph.annotate import annotate
from rdpass.passes.graph.drop_checks import drop_checks
from rdpass.passes.graph.node_kinds import callee
from tests.support import Untouched, error_between


class Checked(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 3, 1), last

    def forward(self, x):
        torch._assert(x.size(1) == 3, "three channels")
        return self.last(1 * (0 + self.conv(x) - 0) / 1)


def dropped(model, example):
    graph_module = symbolic_trace(model)
    annotate(graph_module, (example,))
    before = Untouched(graph_module)
    result = drop_checks(graph_module)
    before.check()
    return result


def test_an_assertion_and_what_only_it_reads_are_gone_and_so_is_arithmetic_that_changes_nothing():
    model = Checked(nn.ReLU())
    result = dropped(model, torch.randn(1, 3, 4, 4))
    assert [node.op for node in result.graph.nodes] == ["placeholder", "call_module", "call_module", "output"]
    assert error_between(result, model, torch.randn(2, 3, 4, 4)) == 0


def test_what_changes_the_value_the_type_or_the_shape_stays():
    class Changing(nn.Module):
        def forward(self, x):
            return 0 - x, x * 1.0, x + torch.zeros(2, 1, dtype=torch.long), 1 / x, x - 1, x * True

    model = Changing()
    result = dropped(model, torch.ones(1, 3, dtype=torch.long))
    kept = [callee(node) for node in result.graph.nodes if node.op == "call_function"]
    assert [name for name in kept if name != "zeros"] == ["sub", "mul", "add", "truediv", "sub", "mul"]
    given = torch.full((1, 3), 2, dtype=torch.long)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(result(given), model(given), strict=True))


def test_arithmetic_on_a_size_is_left_alone():
    class Sized(nn.Module):
        def forward(self, x):
            return x.reshape(x.size(0) * 1, -1)

    result = dropped(Sized(), torch.ones(2, 3, 4))
    assert "mul" in [callee(node) for node in result.graph.nodes if node.op == "call_function"]
    assert result(torch.ones(5, 3, 4)).shape == (5, 12)
