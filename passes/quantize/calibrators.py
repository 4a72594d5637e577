"""Calibrators: each chooses the range of a tensor, which 256 levels divide, from a histogram. All ranges hold zero.

- ``minmax``: all that was met.
- ``percentile``: all but one number in 10 000 at either end.
- ``mse``: the part of the whole range with the least mean square error of rounding and clipping.
- ``entropy``: the part that is closest to what was met by Kullback-Leibler divergence, after TensorRT's method
  (S. Migacz, 8-bit Inference with TensorRT, 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from rdpass.core.comparison import Array
from rdpass.passes.quantize.histograms import Histogram

LEVELS = 256
OUTLIERS = 1e-4
PARTS = np.linspace(1.0, 0.1, 91)
"""Parts of the whole range that are tried, the largest first."""
Range = tuple[float, float]


def minmax(histogram: Histogram) -> Range:
    return with_zero(histogram.low, histogram.high)


def percentile(histogram: Histogram) -> Range:
    shares = np.cumsum(histogram.counts) / histogram.counts.sum()
    low, high = (histogram.centres[np.searchsorted(shares, share)] for share in (OUTLIERS, 1 - OUTLIERS))
    whole = minmax(histogram)
    return max(min(float(low), 0.0), whole[0]), min(max(float(high), 0.0), whole[1])


def mse(histogram: Histogram) -> Range:
    return _best(histogram, _square_error)


def entropy(histogram: Histogram) -> Range:
    return _best(histogram, _divergence)


def _best(histogram: Histogram, loss: Callable[[Histogram, Range], float]) -> Range:
    low, high = minmax(histogram)
    ranges = [(float(part * low), float(part * high)) for part in PARTS]
    return min(ranges, key=lambda candidate: loss(histogram, candidate))


def _square_error(histogram: Histogram, candidate: Range) -> float:
    low, high = candidate
    scale = (high - low) / (LEVELS - 1)
    rounded = np.clip(np.rint((histogram.centres - low) / scale), 0, LEVELS - 1) * scale + low
    return float((histogram.counts * (histogram.centres - rounded) ** 2).sum())


def _divergence(histogram: Histogram, candidate: Range) -> float:
    """KL divergence of the clipped numbers, outliers in the outermost bins, from the same ones spread over levels."""
    low, high = candidate
    inside = (histogram.centres >= low) & (histogram.centres <= high)
    if not inside.any():
        return np.inf
    counts = _without_zeros(histogram)
    kept = counts[inside]
    clipped = kept.copy()
    first = int(np.argmax(inside))
    clipped[0] += counts[:first].sum()
    clipped[-1] += counts[first + len(kept) :].sum()
    spread = _spread(kept, np.minimum((np.arange(len(kept)) * LEVELS) // len(kept), LEVELS - 1))
    p, q = clipped / max(clipped.sum(), 1.0), spread / max(spread.sum(), 1.0)
    met = p > 0
    return float((p[met] * np.log(p[met] / np.maximum(q[met], 1e-12))).sum())


def _without_zeros(histogram: Histogram) -> Array:
    """The counts but for the bin of zero: zeros, half of all numbers after a Relu, are exact whatever the range."""
    counts = histogram.counts.astype(np.float64)
    width = (histogram.high - histogram.low) / len(counts)
    place = int(-histogram.low / width)
    if 0 <= place < len(counts):
        counts[place] = 0
    return counts


def _spread(counts: Array, level: Array) -> Array:
    """The counts of each level shared evenly among its bins that hold any."""
    used = counts > 0
    totals = np.bincount(level, counts, LEVELS)
    bins = np.bincount(level, used, LEVELS)
    shared: Array = np.where(used, (totals / np.maximum(bins, 1))[level], 0.0)
    return shared


def with_zero(low: float, high: float) -> Range:
    """The range of all numbers from ``low`` to ``high``."""
    return min(float(low), 0.0), max(float(high), 0.0)


CALIBRATORS: Mapping[str, Callable[[Histogram], Range]] = {
    "minmax": minmax,
    "percentile": percentile,
    "mse": mse,
    "entropy": entropy,
}
