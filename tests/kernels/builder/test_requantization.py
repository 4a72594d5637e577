"""Epilogues of integer sums on this machine: ties, bounds and additions come out as the formulas say."""

from dataclasses import replace

import numpy as np
import pytest

from rdpass.kernels.quantization import Addition, Bounds, Requantization
from rdpass.kernels.templates.integer_pointwise import IntegerPointwiseTile
from rdpass.kernels.workload import Convolution, Epilogue
from tests.kernels import cases
from tests.kernels.cases import case_of
from tests.kernels.integers import bytes_of, each_isa
from tests.kernels.tester import check


@each_isa
@pytest.mark.parametrize("added", [False, True])
def test_ties_go_to_the_even_neighbour_and_large_sums_stay_at_the_bounds(isa, added, monkeypatch):
    """A channel that passes its input on, times one half: every second sum is a tie. Another is far outside."""
    byte = isa.byte
    low, high = (-128, 127) if str(byte) == "int8" else (0, 255)
    work = Convolution(1, 1, 2, 16, 16, (1, 1), types=bytes_of(isa))
    weights = np.array([1, 127], np.int8).reshape(2, 1, 1, 1)
    addition = Addition(0.5, 0.5, 0, Bounds(1, low, high)) if added else None
    by = Requantization(0, np.array([0.5, 2.0**20], np.float32), Bounds(low + 40, low, high), addition)
    x = np.arange(low, high + 1).astype(byte.value).reshape(1, 1, 16, 16)
    inputs = [x, np.concatenate([x, x[:, :, ::-1]], axis=1)] if added else [x]
    monkeypatch.setattr(cases, "constants_of", lambda *_: (weights, np.zeros(2, np.int32), by))
    monkeypatch.setattr(cases, "inputs_of", lambda *_: inputs)
    epilogue = Epilogue("none", add=added, late=added)
    check(case_of(replace(work, epilogue=epilogue), IntegerPointwiseTile(3), isa), 0)
