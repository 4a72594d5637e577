"""f32 1x1 convolution, 1x1 convolution: a pair that comes apart into two kernels, with the wide map between them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from rdpass.core.comparison import Array
from rdpass.kernels import reference
from rdpass.kernels.machine import Machine
from rdpass.kernels.template import FLOATS, Kernel, Template, Tile
from rdpass.kernels.templates.pointwise import POINTWISE, PointwiseTile
from rdpass.kernels.workload import Convolution, PointwisePair

_CHEAPEST = 5
"""Tiles of either half that are tried with each other."""


@dataclass(frozen=True)
class ApartTile(Tile):
    """A tile for each half."""

    first: PointwiseTile
    second: PointwiseTile

    @property
    def halves(self) -> tuple[Tile, ...]:
        return self.first, self.second


class Apart(Template[PointwisePair, ApartTile]):
    name = "apart"
    workload = PointwisePair
    tile = ApartTile
    types = FLOATS

    def misfit(self, work: PointwisePair, machine: Machine) -> str | None:
        reasons = (POINTWISE.refusal(conv, machine) for conv in (work.first, work.second))
        return next(filter(None, reasons), None)

    def tiles(self, work: PointwisePair, machine: Machine) -> Iterator[ApartTile]:
        halves = (_cheapest(conv, machine) for conv in (work.first, work.second))
        yield from (ApartTile(first, second) for first, second in product(*halves))

    def default(self, work: PointwisePair, machine: Machine) -> None:
        """None: only tuning takes a pair apart."""
        return None

    def has(self, work: PointwisePair, tile: ApartTile, machine: Machine) -> bool:
        """Any two tiles that the halves may have: more than are tried."""
        halves = (work.first, tile.first), (work.second, tile.second)
        return all(POINTWISE.has(conv, half, machine) for conv, half in halves)

    def cost(self, work: PointwisePair, tile: ApartTile, machine: Machine) -> float:
        halves = (work.first, tile.first), (work.second, tile.second)
        return sum(POINTWISE.cost(conv, half, machine) for conv, half in halves)

    def build(
        self, work: PointwisePair, constants: Sequence[Any], tile: ApartTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        halves = zip((work.first, work.second), zip(*constants, strict=True), (tile.first, tile.second), strict=True)
        return tuple(kernel for conv, own, half in halves for kernel in POINTWISE.build(conv, own, half, machine))

    def oracle(self, work: PointwisePair, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return reference.pointwise_pair(work, constants, inputs)


def _cheapest(conv: Convolution, machine: Machine) -> list[PointwiseTile]:
    tiles = POINTWISE.tiles(conv, machine)
    return heapq.nsmallest(_CHEAPEST, tiles, key=lambda tile: POINTWISE.cost(conv, tile, machine))


APART = Apart()
