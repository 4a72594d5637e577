"""f32 1x1 convolution, 1x1 convolution: a pair that comes apart into two kernels, with the wide map between them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

from rdpass.core.comparison import Array
from rdpass.kernels import reference
from rdpass.kernels.builder.function import made_for
from rdpass.kernels.machine import Machine
from rdpass.kernels.template import Kernel, Template, Tile
from rdpass.kernels.templates.pointwise import POINTWISE, PointwiseTile
from rdpass.kernels.workload import Convolution, PointwisePair

_CHEAPEST = 5
"""Tiles of either half that are tried with each other."""

T = TypeVar("T", bound=Tile)


class TwoKernels(Template[PointwisePair, T]):
    """A pair as two kernels. ``half``: the template of both; ``tile``: a class of two tiles of it."""

    workload = PointwisePair
    half: Template[Convolution, Any]

    def misfit(self, work: PointwisePair, machine: Machine) -> str | None:
        reasons = (self.half.refusal(conv, machine) for conv in (work.first, work.second))
        return next(filter(None, reasons), None)

    def tiles(self, work: PointwisePair, machine: Machine) -> Iterator[T]:
        halves = (self._cheapest(conv, machine) for conv in (work.first, work.second))
        yield from (self.tile(*both) for both in product(*halves))

    def default(self, work: PointwisePair, machine: Machine) -> None:
        """None: only tuning takes a pair apart."""
        return None

    def has(self, work: PointwisePair, tile: T, machine: Machine) -> bool:
        """Any two tiles that the halves may have: more than are tried."""
        both = zip((work.first, work.second), tile.halves, strict=True)
        return all(self.half.has(conv, half, machine) for conv, half in both)

    def cost(self, work: PointwisePair, tile: T, machine: Machine) -> float:
        both = zip((work.first, work.second), tile.halves, strict=True)
        return sum(self.half.cost(conv, half, machine) for conv, half in both)

    def weight_bytes(self, work: PointwisePair, tile: T, machine: Machine) -> int:
        both = zip((work.first, work.second), tile.halves, strict=True)
        return sum(self.half.weight_bytes(conv, half, machine) for conv, half in both)

    def build(self, work: PointwisePair, constants: Sequence[Any], tile: T, machine: Machine) -> tuple[Kernel, ...]:
        halves = zip((work.first, work.second), zip(*constants, strict=True), tile.halves, strict=True)
        return tuple(kernel for conv, own, half in halves for kernel in self._built(conv, own, half, machine))

    def _built(self, conv: Convolution, constants: Any, half: Tile, machine: Machine) -> tuple[Kernel, ...]:
        with made_for((machine, half)):  # as such a convolution by itself
            return self.half.build(conv, constants, half, machine)

    def _cheapest(self, conv: Convolution, machine: Machine) -> list[Tile]:
        tiles = self.half.tiles(conv, machine)
        return heapq.nsmallest(_CHEAPEST, tiles, key=lambda tile: self.half.cost(conv, tile, machine))


@dataclass(frozen=True)
class ApartTile(Tile):
    """A tile for each half."""

    first: PointwiseTile
    second: PointwiseTile

    @property
    def halves(self) -> tuple[Tile, ...]:
        return self.first, self.second


class Apart(TwoKernels[ApartTile]):
    name = "apart"
    tile = ApartTile
    half = POINTWISE

    def oracle(self, work: PointwisePair, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return reference.pointwise_pair(work, constants, inputs)


APART = Apart()
