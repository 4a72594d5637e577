"""Each operator has one reader, and each is one of ONNX's."""

from __future__ import annotations

import onnx

from rdpass.onnx.reading import (
    activations,
    arithmetic,
    convolutions,
    dense,
    layouts,
    norms,
    pools,
    reductions,
    resizing,
)
from rdpass.onnx.reading.registry import READERS

FAMILIES = (activations, arithmetic, convolutions, dense, layouts, norms, pools, reductions, resizing)


def test_families_do_not_overlap() -> None:
    assert sum(len(family.READERS) for family in FAMILIES) == len(READERS)


def test_names_are_onnxs() -> None:
    assert [name for name in READERS if not onnx.defs.has(name)] == []
