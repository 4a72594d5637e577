"""Integer 1x1 convolution, 1x1 convolution: a pair that comes apart into two kernels, a map of bytes between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rdpass.core.comparison import Array
from rdpass.kernels import integer_reference
from rdpass.kernels.template import INTEGERS, Tile
from rdpass.kernels.templates.apart import TwoKernels
from rdpass.kernels.templates.integer_pointwise import INTEGER_POINTWISE, IntegerPointwiseTile
from rdpass.kernels.workload import PointwisePair


@dataclass(frozen=True)
class IntegerApartTile(Tile):
    """A tile for each half."""

    first: IntegerPointwiseTile
    second: IntegerPointwiseTile

    @property
    def halves(self) -> tuple[Tile, ...]:
        return self.first, self.second


class IntegerApart(TwoKernels[IntegerApartTile]):
    name = "integer_apart"
    tile = IntegerApartTile
    types = INTEGERS
    half = INTEGER_POINTWISE

    def oracle(self, work: PointwisePair, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return integer_reference.pointwise_pair(work, constants, inputs)


INTEGER_APART = IntegerApart()
