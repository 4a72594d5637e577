import numpy as np
import pytest

from rdpass.passes.quantize.calibrators import CALIBRATORS, LEVELS, PARTS, entropy, minmax, mse, percentile
from rdpass.passes.quantize.histograms import BINS, Histogram


def histogram_of(values):
    low, high = float(values.min()), float(values.max())
    return Histogram(low, high, np.histogram(values, BINS, (low, high))[0])


def with_outliers(seed=0, count=100_000):
    values = np.random.default_rng(seed).standard_normal(count)
    values[:3] = [40, -35, 50]
    return values


def error_of(values, low, high):
    scale = (high - low) / (LEVELS - 1)
    return ((values - (np.clip(np.rint((values - low) / scale), 0, LEVELS - 1) * scale + low)) ** 2).mean()


@pytest.mark.parametrize("name", CALIBRATORS)
@pytest.mark.parametrize("shift", [-9.0, 0.0, 9.0])
def test_every_range_holds_zero_and_lies_within_what_was_met(name, shift):
    histogram = histogram_of(np.random.default_rng(1).standard_normal(1000) + shift)
    low, high = CALIBRATORS[name](histogram)
    assert low <= 0 <= high
    assert high > low
    assert low >= min(histogram.low, 0)
    assert high <= max(histogram.high, 0)


def test_the_extremes_are_kept_by_minmax_alone():
    histogram = histogram_of(with_outliers())
    assert minmax(histogram) == (-35, 50)
    for calibrator, most in ((percentile, 9), (mse, 80), (entropy, 45)):
        low, high = calibrator(histogram)
        assert high - low < most


def test_percentile_leaves_one_in_ten_thousand_out_at_either_end():
    values = np.random.default_rng(2).uniform(-1, 3, 400_000)
    low, high = percentile(histogram_of(values))
    assert low == pytest.approx(-1, abs=0.01)
    assert high == pytest.approx(3, abs=0.01)
    tailed = np.concatenate([np.linspace(0, 1, 99_900), np.linspace(90, 100, 100)])
    assert percentile(histogram_of(tailed))[1] > 90
    assert percentile(histogram_of(np.concatenate([np.linspace(0, 1, 99_995), np.full(5, 100)])))[1] < 2


def test_mse_has_the_least_error_of_all_parts():
    values = with_outliers()
    histogram = histogram_of(values)
    whole = minmax(histogram)
    errors = [error_of(values, part * whole[0], part * whole[1]) for part in PARTS]
    assert error_of(values, *mse(histogram)) <= 1.02 * min(errors)
    assert min(errors) < 0.9 * errors[0]


def test_zeros_do_not_decide_the_entropy():
    values = np.maximum(np.random.default_rng(3).standard_normal(100_000), 0)
    low, high = entropy(histogram_of(values))
    assert low == 0
    assert high > 2


def test_even_numbers_keep_their_range():
    histogram = histogram_of(np.linspace(0, 1, 100_000))
    assert mse(histogram)[1] > 0.95
    assert entropy(histogram)[1] > 0.95
