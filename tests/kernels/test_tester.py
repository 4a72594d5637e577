"""The tester finds what it is there to find."""

from dataclasses import replace

import numpy as np
import pytest

from rdpass.core.errors import ParityError
from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.emit import serial
from rdpass.kernels.builder.function import argument, function, load, store
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
