"""Workloads and tiles as JSON: an object of their fields and a ``kind``, the class they are of.

A field that is itself called so, as a pooling has, is written as ``kind_``.
"""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import Any

from rdpass.kernels.schedule import Tile
from rdpass.kernels.templates.depthwise import DepthwiseTile
from rdpass.kernels.templates.direct import DirectTile
from rdpass.kernels.templates.elementwise import ElementwiseTile
from rdpass.kernels.templates.head import HeadTile
from rdpass.kernels.templates.pair import ApartTile, PairTile
from rdpass.kernels.templates.pointwise import PointwiseTile
from rdpass.kernels.templates.pooling import PoolingTile
from rdpass.kernels.templates.resizing import ResizingTile
from rdpass.kernels.templates.stem import StemTile
from rdpass.kernels.templates.stem_winograd import StemWinogradTile
from rdpass.kernels.templates.strided_winograd import StridedWinogradTile
from rdpass.kernels.templates.winograd import WinogradTile
from rdpass.kernels.workload import (
    Convolution,
    Elementwise,
    Epilogue,
    Head,
    Places,
    PointwisePair,
    Pooling,
    Resizing,
    Stem,
    Workload,
)

_WORKLOADS = (Convolution, PointwisePair, Pooling, Resizing, Stem, Head, Elementwise)
_TILES = (
    ApartTile, DepthwiseTile, DirectTile, ElementwiseTile, HeadTile, PairTile, PointwiseTile, PoolingTile,
    ResizingTile, StemTile, StemWinogradTile, StridedWinogradTile, WinogradTile,
)  # fmt: skip
_KINDS = {kind.__name__: kind for kind in (*_WORKLOADS, *_TILES, Epilogue, Places)}


def encode(value: Any) -> Any:
    """``value``, of dataclasses, tuples and scalars, as what JSON can say; numbers that are not finite in words."""
    if is_dataclass(value):
        return {
            "kind": type(value).__name__,
            **{_key(field.name): encode(getattr(value, field.name)) for field in fields(value)},
        }
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def decode_workload(value: Any) -> Workload:
    """The workload that ``encode`` gave ``value`` for.

    Raises:
        ValueError: it gave it for none.
    """
    decoded = _decoded(value)
    if not isinstance(decoded, _WORKLOADS):
        raise ValueError("no workload")
    return decoded


def decode_tile(value: Any) -> Tile:
    """The tile that ``encode`` gave ``value`` for.

    Raises:
        ValueError: it gave it for none.
    """
    decoded = _decoded(value)
    if not isinstance(decoded, _TILES):
        raise ValueError("no tile")
    return decoded


def decode_tiles(value: Any) -> tuple[tuple[Workload, Tile], ...]:
    """The pairs of workload and tile that ``encode`` gave ``value`` for.

    Raises:
        ValueError: it gave it for none.
    """
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise ValueError("no list of workloads and their tiles")
    return tuple((decode_workload(work), decode_tile(tile)) for work, tile in value)


def _decoded(value: Any) -> Any:
    decoded = _decode(value)
    try:
        hash(decoded)
    except TypeError as error:
        raise ValueError("a field is of the wrong type") from error
    if encode(decoded) != value:
        raise ValueError("fields are missing")
    return decoded


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        kind = _KINDS.get(str(value.get("kind")))
        names = {} if kind is None else {_key(field.name): field.name for field in fields(kind)}
        if kind is None or value.keys() - {"kind", *names}:
            raise ValueError("an unknown kind, or a field it has not")
        try:
            return kind(**{names[key]: _decode(item) for key, item in value.items() if key != "kind"})
        except TypeError as error:
            raise ValueError("a field is missing") from error
    if isinstance(value, list):
        return tuple(_decode(item) for item in value)
    return float(value) if value in ("inf", "-inf", "nan") else value


def _key(name: str) -> str:
    return "kind_" if name == "kind" else name
