"""Everything about a kernel in one object: what it computes, with which tiles, at what cost, how it is built, and what
its numbers have to be.

Each file of ``templates`` holds one kernel and ends with its template; ``registry`` lists them all. Choice, tuning and
the database of records know templates by that list, and by what packages add to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import ALL_FLOAT32, FLOAT16, FLOAT32, INT8, INT32, UINT8, NumericTypes
from rdpass.core.optimization import SIZE
from rdpass.kernels.cost_model import preference
from rdpass.kernels.machine import Machine
from rdpass.kernels.workload import NO_EPILOGUE, Epilogue, Workload

INTEGERS = tuple(NumericTypes(byte, INT8, INT32, out) for byte in (INT8, UINT8) for out in (byte, FLOAT32))
"""Bytes times bytes, to bytes or float32."""

FLOATS = (ALL_FLOAT32, NumericTypes.all(FLOAT16))
"""One type of floats throughout."""


class Tile:
    """The integers of a template that tuning searches: a frozen dataclass of them, one class for each template."""

    @property
    def halves(self) -> tuple[Tile, ...]:
        """The tiles of both kernels of a pair that comes apart; none where the workload is one kernel."""
        return ()


@dataclass(frozen=True)
class Kernel:
    """A function, and the constants it takes between its inputs and its output.

    ``epilogue``: what it does before it stores. ``features``: the instruction set that it is written in, then the
    features of a CPU that it needs besides, in Linux's words. ``types``: of what it reads, sums and writes.
    """

    name: str
    function: tirx.PrimFunc
    constants: tuple[Array, ...] = ()
    epilogue: Epilogue = NO_EPILOGUE
    features: tuple[str, ...] = ()
    types: NumericTypes = ALL_FLOAT32


W = TypeVar("W", bound=Workload)
T = TypeVar("T", bound=Tile)


class Template(ABC, Generic[W, T]):
    """A kernel for workloads of one class, with tiles of a class of its own.

    ``name``: its word in names of kernels. ``types``: the numeric types that it is written for. ``diagonals``: it takes
    weights of bytes with a diagonal of 16 bits. A subclass adds what is
    abstract here, and ``misfit`` where it does not compute every workload of its class.
    """

    name: str
    workload: type[W]
    tile: type[T]
    types: tuple[NumericTypes, ...] = (ALL_FLOAT32,)
    diagonals: bool = False

    def refusal(self, work: W, machine: Machine) -> str | None:
        """The reason why the kernel does not compute ``work`` on ``machine``; None where it does."""
        for types in work.all_types:
            if types not in self.types:
                return f"{self.name} is written for {_listed(self.types)}, not for {types.abbreviation}"
            if not machine.isa.computes(types):
                return f"{machine.isa.name} has nothing that multiplies {types.abbreviation} on such a CPU"
        if _has_diagonal(work) and not self.diagonals:
            return f"{self.name} has no weights of 16 bits on the diagonal"
        return self.misfit(work, machine)

    def misfit(self, work: W, machine: Machine) -> str | None:
        """The reason why shapes, strides or the epilogue do not fit; None where they do."""
        return None

    @abstractmethod
    def tiles(self, work: W, machine: Machine) -> Iterator[T]:
        """Every tile that may be used."""

    def default(self, work: W, machine: Machine) -> T | None:
        """The tile when nothing was tuned: the best, the first of equals. None: the kernel is only ever tuned."""
        return self.best(work, self.tiles(work, machine), machine)

    def has(self, work: W, tile: T, machine: Machine) -> bool:
        """Tell whether ``tile`` may be used."""
        return tile in self.tiles(work, machine)

    def cost(self, work: W, tile: T, machine: Machine) -> float:
        """Cycles on all threads of ``machine`` by the cost model; 0 where it knows nothing of the kernel."""
        return 0.0

    def weight_bytes(self, work: W, tile: T, machine: Machine) -> int:
        """Bytes of the weights as ``build`` packs them. Here: as the network has them.

        A template says so itself where they depend on the tile, or are transformed.
        """
        return work.types.weight.size((work.weights,))

    def preference(self, work: W, tile: T, machine: Machine) -> tuple[float, float]:
        """What is least of the best tile, by what ``machine`` is optimised for: of tiles, and of templates."""
        return preference(self.cost(work, tile, machine), self.weight_bytes(work, tile, machine), machine.optimize)

    def best(self, work: W, tiles: Iterable[T], machine: Machine) -> T | None:
        """The best of ``tiles``, the first of equals."""
        if machine.optimize == SIZE:
            tiles = self._smallest(work, tuple(tiles), machine)
        return min(tiles, key=lambda tile: self.preference(work, tile, machine), default=None)

    def _smallest(self, work: W, tiles: Sequence[T], machine: Machine) -> Sequence[T]:
        """The tiles of fewest bytes, which are all that is to be costed where bytes come first."""
        sizes = [self.weight_bytes(work, tile, machine) for tile in tiles]
        least = min(sizes, default=0)
        return [tile for tile, size in zip(tiles, sizes, strict=True) if size == least]

    @abstractmethod
    def build(self, work: W, constants: Sequence[Any], tile: T, machine: Machine) -> tuple[Kernel, ...]:
        """The kernels that compute ``work`` one after the other, one unless a pair comes apart.

        ``constants``: as the class of ``work`` says; they are packed here.
        """

    @abstractmethod
    def oracle(self, work: W, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        """The output that the kernel has to give; ``inputs``: the map, a gate and a map to add, if any."""

    def label(self, tile: T) -> str:
        """The kernel in a word, with what sets its kinds of tiles apart: winograd4x2."""
        return self.name


def _has_diagonal(work: Any) -> bool:
    """Tell whether a convolution, or one of a pair or a stem, has weights of 16 bits on its diagonal."""
    parts = (getattr(work, name, None) for name in ("first", "second", "convolution"))
    return getattr(work, "diagonal", False) or any(getattr(part, "diagonal", False) for part in parts)


Templates = tuple[Template[Any, Any], ...]


def kernel_of(work: Workload, machine: Machine, name: str, function: tirx.PrimFunc, *constants: Array) -> Kernel:
    """A kernel for ``work``, written for ``machine``."""
    return Kernel(name, function, constants, work.epilogue, machine.isa.features(work.types), work.types)


def _listed(several: Sequence[NumericTypes]) -> str:
    return " and ".join(types.abbreviation for types in several)
