"""Standard errors against formulas of their own, and against how much the figure really varies."""

import numpy as np
import pytest

from rdpass.core.estimates import Estimate, jackknifed, mean_of


def test_a_mean_of_equal_weights_has_the_textbook_error():
    scores = np.random.default_rng(0).normal(size=50)
    found = mean_of(scores, np.ones(50))
    assert found.value == pytest.approx(scores.mean())
    assert found.error == pytest.approx(scores.std(ddof=1) / np.sqrt(50))


def test_a_row_without_weight_counts_for_nothing_but_the_degrees_of_freedom():
    found = mean_of(np.array([1.0, 3.0, 99.0]), np.array([1.0, 1.0, 0.0]))
    assert found.value == 2.0


def test_the_error_of_a_weighted_mean_is_how_much_it_varies():
    random = np.random.default_rng(1)
    means, errors = [], []
    for _ in range(400):
        weights = random.integers(1, 20, 80).astype(float)
        scores = random.normal(3 + 0.1 * weights, 1.0)
        found = mean_of(scores, weights)
        means.append(found.value)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.1)


def test_one_row_has_no_error():
    assert mean_of(np.array([4.0]), np.ones(1)) == Estimate(4.0, None)
    assert str(Estimate(4.0, None)) == "4.00"


def test_the_jackknife_of_a_mean_is_the_error_of_the_mean():
    scores = np.random.default_rng(2).normal(size=10)
    parts = [float(np.delete(scores, index).mean()) for index in range(10)]
    found = jackknifed(float(scores.mean()), parts)
    assert found.error == pytest.approx(scores.std(ddof=1) / np.sqrt(10))
    assert jackknifed(1.0, [1.0]) == Estimate(1.0, None)
