"""Epilogues of integer sums on this machine: ties, bounds and additions come out as the formulas say."""

from dataclasses import replace

import numpy as np
import pytest

from rdpass.kernels.quantization import Addition, Bounds, Requantization
from rdpass.kernels.templates.integer_pointwise import IntegerPointwiseTile
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.targets.isa import isa_of
from tests.kernels import cases
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.integers import bytes_of, each_core, each_isa, emulated
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


def near_ties(place, isa, monkeypatch):
    """Bytes times factors of which float32 makes n + 1/2, and the exact product is not that.

    One rounding, of the product and what is added to it, would give another byte. ``place``: of that product, the layer
    without an addition, or the layer's own value or the other map in one.
    """
    wanted = 40.5 + np.arange(48)
    sums = 101 + 2 * (np.arange(48) % 13)
    factors = (wanted / sums).astype(np.float32)
    exact = factors.astype(np.float64) * sums
    hidden = (factors * sums.astype(np.float32) == wanted.astype(np.float32)) & (exact != wanted)
    # A tie goes to the even neighbour, which is the lower one here, and the exact product to the upper.
    factor = factors[hidden & (exact > wanted) & (np.rint(exact) != np.rint(wanted))][0]
    byte, low, high = isa.byte, *((-128, 127) if str(isa.byte) == "int8" else (0, 255))
    every = np.arange(low, high + 1).reshape(1, 1, 16, 16)
    # Far from zero the product loses what near zero counts.
    opposite = np.clip(100 - np.floor(every * factor), low, high)
    bounds, added = Bounds(low + 128, low, high), place != "alone"
    ways = {
        "alone": (every, Requantization(0, np.array([factor]), Bounds(0, low, high))),
        "own": (every, Requantization(0, np.ones(1, np.float32), Bounds(0, low, high),
                                      Addition(factor, 1.0, 100, Bounds(0, low, high)))),
        "other": (opposite, Requantization(100, np.ones(1, np.float32), bounds, Addition(1.0, factor, 0, bounds))),
    }  # fmt: skip
    x, by = ways[place]
    inputs = [each.astype(byte.value) for each in (x, opposite if place == "own" else every)[: 1 + added]]
    monkeypatch.setattr(cases, "constants_of", lambda *_: (np.ones((1, 1, 1, 1), np.int8), np.zeros(1, np.int32), by))
    monkeypatch.setattr(cases, "inputs_of", lambda *_: inputs)
    work = Convolution(1, 1, 1, 16, 16, (1, 1), types=bytes_of(isa), epilogue=Epilogue("none", add=added, late=added))
    return case_of(work, IntegerPointwiseTile(3), isa)


near = pytest.mark.parametrize("place", ["alone", "own", "other"])


@near
@each_isa
def test_products_are_rounded_before_anything_is_added_to_them(place, isa, monkeypatch):
    check(near_ties(place, isa, monkeypatch), 0)


@pytest.mark.slow
@near
@each_core
def test_so_they_are_on_emulated_cores(place, name, tmp_path, monkeypatch):
    target = emulated(name)
    check_emulated([near_ties(place, isa_of(target), monkeypatch)], target, tmp_path, 0)
