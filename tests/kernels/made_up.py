"""A template of a test's own, for poolings."""

from dataclasses import dataclass

from rdpass.kernels.template import Template, Tile
from rdpass.kernels.workload import Pooling
from rdpass.targets.isa import ASIMD
from tests.kernels.cases import machine_with
from tests.kernels.examples import EXAMPLES

MACHINE = machine_with(ASIMD)


POOL = next(work for work in EXAMPLES if isinstance(work, Pooling))


@dataclass(frozen=True)
class MadeUpTile(Tile):
    number: int = 1


@dataclass(frozen=True)
class MadeUp(Template):
    """A pooling that costs what it is told."""

    cycles: float
    name = "made up"
    workload = Pooling
    tile = MadeUpTile

    def tiles(self, work, machine):
        yield from map(MadeUpTile, (1, 2))

    def cost(self, work, tile, machine):
        return self.cycles

    def build(self, work, constants, tile, machine):
        raise NotImplementedError

    def oracle(self, work, constants, inputs):
        raise NotImplementedError
