from math import inf

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.passes.analysis.value_range import value_ranges


def final_range(*layers):
    traced = trace(nn.Sequential(*layers), torch.randn(1, 3, 8, 8))
    ranges = value_ranges(traced.module)
    return ranges[next(node for node in ranges if node.op == "output").args[0]]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([nn.Conv2d(3, 3, 1)], (-inf, inf)),
        ([nn.ReLU()], (0, inf)),
        ([nn.ReLU6()], (0, 6)),
        ([nn.ReLU6(), nn.MaxPool2d(2)], (0, 6)),
        ([nn.ReLU6(), nn.AvgPool2d(3, padding=1)], (0, 6)),
        ([nn.ReLU6(), nn.AvgPool2d(2, divisor_override=1)], (0, inf)),
        ([nn.Hardtanh(1, 2), nn.AvgPool2d(3, padding=1)], (0, 2)),
        ([nn.Hardtanh(-1, 2), nn.ReLU()], (0, 2)),
        ([nn.Sigmoid(), nn.Flatten()], (0, 1)),
        ([nn.ReLU6(), nn.Tanh()], (-inf, inf)),
    ],
    ids=str,
)
def test_the_range_is_what_the_layers_alone_allow(layers, expected):
    assert final_range(*layers) == expected
