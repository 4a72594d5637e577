"""Every tile of a workload in the order in which tuning tries them: the default, then the cheapest by its estimate.

A search that is cut short has then seen the best-looking tiles of every template:
1. the default,
2. the other templates' cheapest tiles, each template's in turn,
3. until all are listed.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product, zip_longest

from rdpass.kernels.candidates import (
    convolution_tiles,
    elementwise_tiles,
    head_tiles,
    pair_tiles,
    pooling_tiles,
    resizing_tiles,
    stem_tiles,
)
from rdpass.kernels.choose import choose_default
from rdpass.kernels.estimate import estimate, estimate_pair
from rdpass.kernels.machine import Machine
from rdpass.kernels.schedule import Tile
from rdpass.kernels.templates.pair import ApartTile
from rdpass.kernels.templates.pointwise import PointwiseTile
from rdpass.kernels.templates.strided_winograd import StridedWinogradTile
from rdpass.kernels.templates.winograd import WinogradTile
from rdpass.kernels.workload import Convolution, Elementwise, Head, PointwisePair, Pooling, Resizing, Stem, Workload

_HALVES = 5
"""Tiles of either half that are tried in a pair that comes apart."""


@dataclass(frozen=True)
class Ranked:
    """A tile and the cycles it is estimated to take; 0 where there is no estimate."""

    tile: Tile
    cycles: float


def rank_tiles(work: Workload, machine: Machine) -> tuple[Ranked, ...]:
    """Every tile for ``work``, each once, in the order above."""
    templates: dict[str, list[Ranked]] = {}
    for ranked in sorted(_candidates(work, machine), key=lambda ranked: ranked.cycles):
        templates.setdefault(template(ranked.tile), []).append(ranked)
    in_turn = [ranked for row in zip_longest(*templates.values()) for ranked in row if ranked is not None]
    default = choose_default(work, machine)
    first = next((ranked for ranked in in_turn if ranked.tile == default), Ranked(default, 0.0))
    return tuple(dict.fromkeys((first, *in_turn)))


def is_tile_of(work: Workload, tile: Tile, machine: Machine) -> bool:
    """Whether ``tile`` is one that ``work`` may have on ``machine``."""
    if isinstance(work, PointwisePair) and isinstance(tile, ApartTile):
        halves = (work.first, tile.first), (work.second, tile.second)
        return all(half in convolution_tiles(conv, machine) for conv, half in halves)
    return tile == choose_default(work, machine) or any(ranked.tile == tile for ranked in _candidates(work, machine))


def template(tile: Tile) -> str:
    """The template that a tile belongs to, in a word."""
    name = type(tile).__name__.removesuffix("Tile").lower()
    return tile.template if isinstance(tile, WinogradTile | StridedWinogradTile) else name


def _candidates(work: Workload, machine: Machine) -> Iterator[Ranked]:
    match work:
        case Convolution():
            yield from (Ranked(tile, estimate(work, tile, machine)) for tile in convolution_tiles(work, machine))
        case PointwisePair():
            yield from (Ranked(tile, estimate_pair(work, tile, machine)) for tile in pair_tiles(work, machine))
            yield from _apart(work, machine)
        case Stem():
            yield from (Ranked(tile, 0.0) for tile in stem_tiles(work, machine))
        case Pooling():
            yield from (Ranked(tile, 0.0) for tile in pooling_tiles(work))
        case Resizing():
            yield from (Ranked(tile, 0.0) for tile in resizing_tiles())
        case Head():
            yield from (Ranked(tile, 0.0) for tile in head_tiles(work, machine))
        case Elementwise():
            yield from (Ranked(tile, 0.0) for tile in elementwise_tiles(work))


def _apart(pair: PointwisePair, machine: Machine) -> Iterator[Ranked]:
    halves = (_cheapest(conv, machine) for conv in (pair.first, pair.second))
    for (first, one), (second, other) in product(*halves):
        yield Ranked(ApartTile(first, second), one + other)


def _cheapest(conv: Convolution, machine: Machine) -> list[tuple[PointwiseTile, float]]:
    tiles = [tile for tile in convolution_tiles(conv, machine) if isinstance(tile, PointwiseTile)]
    priced = [(tile, estimate(conv, tile, machine)) for tile in tiles]
    return heapq.nsmallest(_HALVES, priced, key=lambda pair: pair[1])
