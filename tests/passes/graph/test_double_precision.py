"""A graph in double precision: what rounding contributes, and what is left in single."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.passes.graph.double_precision import in_double, in_single, rounding_of
from tests.models import conv_bn, seeded, small_resnet
from tests.support import Untouched, error_between

EXAMPLE = torch.randn(1, 3, 8, 8)


def traced(*layers, dtype=torch.float32):
    model = seeded(lambda: nn.Sequential(*conv_bn(3, 4), nn.ReLU(), *layers)).to(dtype)
    return trace(model, torch.randn(1, 3, 6, 6, dtype=dtype))


def dtypes(graph_module):
    return {value.dtype for value in (*graph_module.parameters(), *graph_module.buffers()) if value.is_floating_point()}


def test_there_and_back_the_numbers_are_the_same_and_the_graph_given_stays_single():
    given = traced()
    before = Untouched(given.module)
    doubled = in_double(given)
    assert dtypes(doubled.module) == {torch.float64}
    assert doubled.example[0].dtype is torch.float64
    assert {node.meta["tensor_meta"].dtype for node in doubled.module.graph.nodes if node.op == "call_module"} == {
        torch.float64
    }
    before.check()
    back = in_single(doubled)
    assert dtypes(back.module) == {torch.float32}
    for (name, value), (_, wanted) in zip(back.module.named_parameters(), given.module.named_parameters(), strict=True):
        assert torch.equal(value, wanted), name


def test_a_graph_that_is_not_single_or_changes_precision_itself_is_left_as_it_is():
    double = traced(dtype=torch.float64)
    assert in_double(double) is double
    half = traced(nn.Conv2d(4, 4, 1))
    half.module.get_submodule("3").half()
    assert in_double(half) is half

    class Single(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(6, 6))

        def forward(self, x):
            return torch.matmul(x.float(), self.weight)

    fixed = traced(Single())
    assert in_double(fixed) is fixed


def test_rounding_moves_the_outputs_by_little_and_by_something():
    assert 0 < rounding_of(traced()) < 1e-5


def test_a_graph_in_double_precision_is_a_copy_and_rounds_back_to_the_same():
    traced = trace(seeded(small_resnet), EXAMPLE)
    before = Untouched(traced.module)
    doubled = in_double(traced)
    assert {value.dtype for value in doubled.module.parameters()} == {torch.float64}
    assert doubled.example[0].dtype == torch.float64
    assert 0 < rounding_of(traced) < 1e-6
    assert error_between(in_single(doubled).module, traced.module, EXAMPLE) == 0
    before.check()


class OfItsOwnPrecision(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x.float())


@pytest.mark.parametrize("model", [OfItsOwnPrecision(), nn.Conv2d(3, 4, 3).double()])
def test_what_computes_in_a_precision_of_its_own_stays_in_it(model):
    traced = trace(model, EXAMPLE.to(next(model.parameters())))
    assert in_double(traced) is traced
