"""From a tile to what a worker loads: its kernels, built for the target and linked into a shared library."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import tvm

from rdpass.chatter import without_scope_lines
from rdpass.errors import TargetError
from rdpass.kernels.machine import machine_of
from rdpass.kernels.pair import ApartTile
from rdpass.kernels.schedule import Kernel, Tile, make_kernels
from rdpass.kernels.workload import Convolution, Elementwise, Epilogue, PointwisePair, Stem, Workload
from rdpass.lowering import LINK_OPTIONS, tvm_target
from rdpass.passes.relax.find_workloads import Occurrence
from rdpass.passes.tir.pipeline import NAME as TIR_PIPELINE
from rdpass.targets.lookup import ArmTarget
from rdpass.targets.toolchain import Compiler, find_compiler
from rdpass.tuning.job import Step, Variant


class Unbuildable(Exception):
    """A tile that LLVM or TVM can't build."""


@dataclass
class Libraries:
    """Builds variants for ``target`` into ``folder``; those of default tiles are kept."""

    target: ArmTarget
    folder: Path
    _compiler: Compiler = field(init=False)
    _kept: dict[Workload, Variant] = field(default_factory=dict)
    _count: int = 0

    def __post_init__(self) -> None:
        """
        Raises:
            TargetError: no compiler for the target, or LLVM does not know its core.
        """
        self._compiler = find_compiler(self.target)
        tvm_target(self.target)

    def default(self, occurrence: Occurrence, tile: Tile) -> Variant:
        """The variant of a workload's default tile, built once."""
        if occurrence.workload not in self._kept:
            self._kept[occurrence.workload] = self.build(occurrence, tile)
        return self._kept[occurrence.workload]

    def build(self, occurrence: Occurrence, tile: Tile) -> Variant:
        """
        Raises:
            Unbuildable: there is no code for this tile.
            TargetError: it can't be linked, which is no fault of the tile.
        """
        kernels = make_kernels(occurrence.workload, occurrence.constants, tile, machine_of(self.target))
        epilogues = epilogues_of(occurrence.workload, tile)
        names = [f"kernel_{index}" for index in range(len(kernels))]
        functions = {
            name: kernel.function.with_attr("global_symbol", name) for name, kernel in zip(names, kernels, strict=True)
        }
        self._count += 1
        path = self.folder / f"variant_{self._count}.so"
        try:
            built = tvm.tirx.build(tvm.IRModule(functions), target=tvm_target(self.target), pipeline=TIR_PIPELINE)
        except (RuntimeError, ValueError) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise Unbuildable(f"{tile} can't be built: {reason}") from error
        try:
            with without_scope_lines():
                built.export_library(str(path), cc=self._compiler.command, options=list(LINK_OPTIONS))
        except (RuntimeError, OSError) as error:
            raise TargetError(f"{self._compiler.version} could not link a kernel: {error}") from error
        return Variant(str(path), tuple(map(step_of, names, kernels, epilogues)))


def step_of(name: str, kernel: Kernel, epilogue: Epilogue) -> Step:
    """The kernel as a worker calls it."""
    shapes = tuple(tuple(map(int, parameter.shape)) for parameter in kernel.function.params)
    return Step(name, shapes, kernel.constants, epilogue.add, epilogue.in_place)


def epilogues_of(work: Workload, tile: Tile) -> tuple[Epilogue, ...]:
    """What each kernel of the workload does before it stores; poolings and heads do nothing."""
    match work:
        case PointwisePair():
            last = work.second.epilogue
            return (work.first.epilogue, last) if isinstance(tile, ApartTile) else (last,)
        case Stem():
            return (work.convolution.epilogue,)
        case Convolution() | Elementwise():
            return (work.epilogue,)
        case _:
            return (Epilogue(),)
