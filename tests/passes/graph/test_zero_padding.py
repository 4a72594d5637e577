"""How many zeros a pad adds, by every spelling; None for what is no zero padding of the spatial axes."""

import pytest
import torch
from torch import nn
from torch.fx import symbolic_trace
from torch.nn import functional as F

from rdpass.passes.graph.node_kinds import annotate_kinds
from rdpass.passes.graph.zero_padding import pad_arguments, zero_padding


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def pad_of(pad):
    graph_module = symbolic_trace(nn.Sequential(pad if isinstance(pad, nn.Module) else Call(pad)))
    annotate_kinds(graph_module)
    return graph_module, list(graph_module.graph.nodes)[-2]


@pytest.mark.parametrize(
    ("pad", "expected"),
    [
        (nn.ZeroPad2d((1, 2, 3, 4)), ((3, 1), (4, 2))),
        (nn.ConstantPad2d(1, 0.0), ((1, 1), (1, 1))),
        (lambda x: F.pad(x, (1, 2)), ((0, 1), (0, 2))),
        (lambda x: F.pad(x, (1, 2, 3, 4), value=0), ((3, 1), (4, 2))),
        (lambda x: F.pad(x, (0, 0, 0, 0), "constant", 0.0), ((0, 0), (0, 0))),
        (lambda x: torch.constant_pad_nd(x, (1, 2, 3, 4)), ((3, 1), (4, 2))),
        (lambda x: torch.constant_pad_nd(x, (1, 2), 0), ((0, 1), (0, 2))),
    ],
)
def test_zeros_before_and_after_go_by_axis_from_the_first(pad, expected):
    assert zero_padding(*pad_of(pad), 2) == expected


@pytest.mark.parametrize(
    "pad",
    [
        nn.ConstantPad2d(1, 0.5), nn.ReflectionPad2d(1), nn.ReLU(), lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
        lambda x: F.pad(x, (1, 1), value=1.0), lambda x: F.pad(x, (0, -1)), lambda x: F.pad(x, (0, 0, 0, 0, 1, 1)),
        lambda x: F.pad(x, (0, x.shape[2] % 2)), lambda x: torch.constant_pad_nd(x, (1, 1), 2),
    ],
)  # fmt: skip
def test_other_values_modes_axes_and_computed_amounts_are_none(pad):
    assert zero_padding(*pad_of(pad), 2) is None


def test_amounts_value_and_mode_are_told_apart_in_both_functions():
    assert pad_arguments(*pad_of(lambda x: F.pad(x, (1, 2), "replicate"))) == ((1, 2), 0, "replicate")
    assert pad_arguments(*pad_of(lambda x: torch.constant_pad_nd(x, (1, 2), 7))) == ((1, 2), 7, "constant")
    assert pad_arguments(*pad_of(nn.ConstantPad1d((1, 2), 3))) == ((1, 2), 3, "constant")
