"""Minimal filtering: weights, inputs and products come together to a plain correlation."""

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.emit import bind
from rdpass.kernels.builder.function import load, store
from rdpass.kernels.builder.toom_cook import (
    PAIRS,
    filter_matrix,
    running_matrix,
    transform_input,
    transform_output,
    transform_running,
    transform_weights,
)
from rdpass.targets.isa import SSE
from tests.kernels.builder.running import ran, unwritten

FORMS = [(1, 1), (2, 2), (2, 3), (3, 2), (3, 3), (4, 2), (4, 3), (3, 4)]
VECTOR = SSE.vector(FLOAT32)
each = pytest.mark.parametrize(("outputs", "taps"), FORMS)


def filtered(outputs, taps, running=False):
    """One column of four lanes: what the products come to, and the plain sums."""
    random, products = np.random.default_rng(0), outputs + taps - 1
    d = random.standard_normal((products, 4)).astype(np.float32)
    g = random.standard_normal(taps)
    u = np.repeat((filter_matrix(outputs, taps) @ g)[:, None], 4, 1).astype(np.float32)

    def write(data, weights, out):
        column = [bind(load(data, index, 0, lanes=4)) for index in range(products)]
        v = transform_input(column, VECTOR)
        q = [bind(value * load(weights, index, 0, lanes=4)) for index, value in enumerate(v)]
        if running:
            for index in range(1, products):
                q[index] = bind(q[index - 1] + q[index])
        back = transform_running if running else transform_output
        for index, value in enumerate(back(q, outputs, VECTOR)):
            store(out, value, index, 0, lanes=4)

    got = ran(write, d, u, unwritten(outputs, 4))[2]
    wanted = np.array([(d[i : i + taps].astype(np.float64) * g[:, None]).sum(0) for i in range(outputs)])
    return got, wanted


@each
def test_products_come_together_to_the_plain_sums(outputs, taps):
    got, wanted = filtered(outputs, taps)
    assert np.abs(got - wanted).max() <= 1e-5 * max(1, np.abs(wanted).max())


@each
def test_running_sums_of_products_do_too(outputs, taps):
    got, wanted = filtered(outputs, taps, running=True)
    assert np.abs(got - wanted).max() <= 2e-5 * max(1, np.abs(wanted).max())


@each
def test_as_many_products_as_outputs_and_taps_less_one(outputs, taps):
    assert filter_matrix(outputs, taps).shape == (outputs + taps - 1, taps)
    assert running_matrix(outputs + taps - 1, outputs).shape == (outputs, outputs + taps - 1)
    assert PAIRS.keys() == {1, 3, 4, 5, 6}


@pytest.mark.parametrize(("size", "kernel"), [((4, 4), (3, 3)), ((4, 2), (3, 3)), ((1, 4), (1, 3)), ((3, 2), (2, 2))])
def test_weights_are_transformed_down_and_across(size, kernel):
    weights = np.random.default_rng(1).standard_normal((5, 3, *kernel)).astype(np.float32)
    got = transform_weights(weights, size)
    down, across = (filter_matrix(m, r) for m, r in zip(size, kernel, strict=True))
    assert got.dtype == np.float64
    assert got.shape == (len(down), len(across), 5, 3)
    assert np.allclose(got[:, :, 2, 1], down @ weights[2, 1].astype(np.float64) @ across.T)


def test_one_output_of_one_tap_is_not_transformed():
    assert filter_matrix(1, 1).tolist() == [[1.0]]
    values = [object()]
    assert transform_input(values, VECTOR) == values
    assert transform_output(values, 1, VECTOR) == values
