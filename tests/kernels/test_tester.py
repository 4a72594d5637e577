"""The tester finds what it is there to find; the oracles agree with torch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from rdpass.core.errors import ParityError
from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels import reference
from rdpass.kernels.builder.emit import serial
from rdpass.kernels.builder.function import argument, function, load, store
from rdpass.kernels.workload import Convolution, Epilogue, Pooling
from rdpass.targets.isa import SSE
from tests.kernels.case import Case
from tests.kernels.layout import from_blocked, to_blocked
from tests.kernels.numbers import numbers
from tests.kernels.tester import check


def doubling(body):
    """A case that wants its input doubled, computed by ``body(input, output, index)`` for every index."""
    given = numbers(0, 12)

    def write():
        x, y = argument("input", FLOAT32, 12), argument("output", FLOAT32, 12)
        with serial(12) as index:
            body(x, y, index)

    return Case("double", function("kernel", FLOAT32, write), SSE, (given,), (12,), 2.0 * given, lambda y: y)


def double(x, y, index):
    store(y, load(x, index, lanes=1) * 2, index, lanes=1)


def test_a_right_kernel_passes_and_a_wrong_value_is_found():
    case = doubling(double)
    assert check(case, 1e-7) == 0
    with pytest.raises(ParityError, match="double"):
        check(replace(case, expected=case.expected + np.eye(1, 12, 7)[0]), 1e-5)


def test_a_number_that_is_not_written_is_found():
    with pytest.raises(AssertionError, match="left 6 numbers unwritten"):
        check(doubling(lambda x, y, index: double(x, y, index - index % 2)), 1e-5)


def test_a_kernel_that_writes_to_its_input_is_found():
    def rude(x, y, index):
        double(x, y, index)
        store(x, load(y, index, lanes=1), index, lanes=1)

    with pytest.raises(AssertionError, match="wrote to its input 0"):
        check(doubling(rude), 1e-5)


def test_layouts_lead_back_and_padded_channels_hold_the_filling():
    x = numbers(1, 2, 5, 3, 2)
    blocked = to_blocked(x, 4, 9.0)
    assert blocked.shape == (2, 2, 6, 4)
    assert (blocked[:, 1, :, 1:] == 9).all()
    assert np.array_equal(from_blocked(blocked, 5, 3, 2), x)


@pytest.mark.parametrize("groups", [1, 3])
def test_the_convolution_oracle_agrees_with_torch(groups):
    conv = Convolution(2, 6, 9, 11, 8, (3, 2), (2, 1), (1, 2, 0, 1), (1, 3), groups)
    x, weights = numbers(0, 2, 6, 11, 8), numbers(1, 9, 6 // groups, 3, 2)
    padded = F.pad(torch.from_numpy(x).double(), (2, 1, 1, 0))
    wanted = F.conv2d(padded, torch.from_numpy(weights).double(), None, (2, 1), 0, (1, 3), groups)
    assert np.allclose(reference.sums(conv, x, weights), wanted.numpy(), atol=1e-12)


@pytest.mark.parametrize(("kind", "divisor"), [("max", 0), ("average", 0), ("average", 6)])
def test_the_pooling_oracle_agrees_with_torch(kind, divisor):
    x = numbers(0, 2, 3, 11, 8)
    pool = Pooling(2, 3, 11, 8, kind, (3, 2), (2, 1), (1, 1, 1, 1), divisor)
    given = torch.from_numpy(x).double()
    wanted = {
        "max": lambda: F.max_pool2d(given, (3, 2), (2, 1), 1),
        "average": lambda: F.avg_pool2d(given, (3, 2), (2, 1), 1, count_include_pad=bool(divisor)),
    }[kind]()
    assert np.allclose(reference.pooling(pool, (), [x]), wanted.numpy(), atol=1e-12)


@pytest.mark.parametrize(
    ("activation", "wanted"),
    [
        ("relu", F.relu),
        ("clip", lambda t: F.hardtanh(t, -0.5, 0.75)),
        ("hard_swish", F.hardswish),
        ("hard_sigmoid", F.hardsigmoid),
        ("sigmoid", torch.sigmoid),
        ("silu", F.silu),
        ("prelu", lambda t: F.prelu(t, torch.tensor([0.25, -2.0]).double())),
    ],
)
def test_the_epilogue_oracle_agrees_with_torch(activation, wanted):
    total, other, bias = numbers(0, 1, 2, 5, 5) * 4, numbers(1, 1, 2, 5, 5), np.array([0.5, -1.0])
    table = [bias, np.array([0.25, -2.0])] if activation == "prelu" else [bias]
    got = reference.epilogue(Epilogue(activation, -0.5, 0.75), total.astype(np.float64), table, other)
    before = torch.from_numpy(total.astype(np.float64) + bias.reshape(1, 2, 1, 1) + other)
    assert np.allclose(got, wanted(before).numpy(), atol=1e-12)
