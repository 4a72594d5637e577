"""Boosted trees (xgboost) that learn from a workload's trials how its other tiles will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
import xgboost

from rdpass.core.comparison import Array
from rdpass.kernels.ranking import Ranked, template

_TEMPLATES = (
    "pointwise", "direct", "winograd2", "winograd4", "winograd4x2", "strided_winograd2", "strided_winograd3",
    "strided_winograd4", "depthwise", "pair", "apart", "stem", "stemwinograd", "pooling", "resizing",
    "head", "elementwise",
)  # fmt: skip
_WIDTH = 8  # integers of the largest tile, that of a pair's two halves
_TREES = 40
_SETTINGS = {"max_depth": 4, "eta": 0.3, "nthread": 1, "seed": 0, "objective": "reg:squarederror"}


def predict_ratios(tried: Sequence[tuple[Ranked, float]], others: Sequence[Ranked]) -> Array:
    """The time over the default's that each of ``others`` is expected to have, from what those ``tried`` had."""
    known = xgboost.DMatrix(_features([ranked for ranked, _ in tried]), label=np.log([ratio for _, ratio in tried]))
    model: Any = xgboost.train(_SETTINGS, known, num_boost_round=_TREES)
    predicted: Array = np.exp(model.predict(xgboost.DMatrix(_features(others))))
    return predicted


def _features(tiles: Sequence[Ranked]) -> Array:
    rows = np.zeros((len(tiles), len(_TEMPLATES) + _WIDTH + 1), np.float32)
    for row, ranked in zip(rows, tiles, strict=True):
        integers = _integers(astuple(ranked.tile))
        row[_TEMPLATES.index(template(ranked.tile))] = 1
        row[len(_TEMPLATES) : len(_TEMPLATES) + len(integers)] = integers
        row[-1] = np.log1p(ranked.cycles)
    return rows


def _integers(values: tuple[Any, ...]) -> list[int]:
    return [number for value in values for number in (_integers(value) if isinstance(value, tuple) else [value])]
