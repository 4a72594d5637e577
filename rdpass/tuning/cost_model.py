"""Boosted trees (xgboost) that learn from a workload's trials how its other tiles will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
import xgboost

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.choice import Ranked, label, template_of
from rdpass.kernels.registry import all_templates

_TREES = 40
_SETTINGS = {"max_depth": 4, "eta": 0.3, "nthread": 1, "seed": 0, "objective": "reg:squarederror"}


def predict_ratios(tried: Sequence[tuple[Ranked, float]], others: Sequence[Ranked]) -> Array:
    """The time over the default's that each of ``others`` is expected to have, from what those ``tried`` had."""
    features = _features([*(ranked for ranked, _ in tried), *others])
    known = xgboost.DMatrix(features[: len(tried)], label=np.log([ratio for _, ratio in tried]))
    model: Any = xgboost.train(_SETTINGS, known, num_boost_round=_TREES)
    predicted: Array = np.exp(model.predict(xgboost.DMatrix(features[len(tried) :])))
    return predicted


def _features(tiles: Sequence[Ranked]) -> Array:
    """A row for each tile: which of the labels met here is its own, its integers, and its estimate."""
    met = sorted({(all_templates().index(template_of(ranked.tile)), label(ranked.tile)) for ranked in tiles})
    columns = {name: column for column, (_, name) in enumerate(met)}
    integers = [_integers(astuple(ranked.tile)) for ranked in tiles]  # type: ignore[call-overload]
    rows = np.zeros((len(tiles), len(columns) + max(map(len, integers)) + 1), FLOAT32)
    for row, ranked, own in zip(rows, tiles, integers, strict=True):
        row[columns[label(ranked.tile)]] = 1
        row[len(columns) : len(columns) + len(own)] = own
        row[-1] = np.log1p(ranked.cycles)
    return rows


def _integers(values: tuple[Any, ...]) -> list[int]:
    return [number for value in values for number in (_integers(value) if isinstance(value, tuple) else [value])]
