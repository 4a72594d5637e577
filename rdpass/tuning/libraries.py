"""From a tile, or a network's tiles, to what a worker loads: built for the target and linked into a shared library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import tvm

from rdpass.core.errors import TargetError, first_line
from rdpass.core.numeric_types import NumericType
from rdpass.core.optimization import SPEED, Optimize
from rdpass.core.tvm_messages import without_tvm_lines
from rdpass.deploy.lowering import LINK_OPTIONS, build, tvm_target, write_library
from rdpass.kernels.choice import build_kernels, choose_default
from rdpass.kernels.machine import machine_of
from rdpass.kernels.template import Kernel
from rdpass.kernels.workload import Workload
from rdpass.onnx.golden import find_golden
from rdpass.passes.tir.pipeline import NAME as TIR_PIPELINE
from rdpass.targets.lookup import Target
from rdpass.targets.toolchain import Compiler, find_compiler
from rdpass.tuning.job import NetworkVariant, Step, Variant
from rdpass.tuning.references import expected_of
from rdpass.tuning.task import Network, NetworkTrial, Trial


class Unbuildable(Exception):
    """A tile that LLVM or TVM can't build."""


@dataclass
class Libraries:
    """Builds variants for ``target`` into ``folder``; default ones, chosen for ``optimize``, are kept."""

    target: Target
    folder: Path
    optimize: Optimize = SPEED
    _compiler: Compiler = field(init=False)
    _kept: dict[Workload | Network, Variant | NetworkVariant] = field(default_factory=dict)
    _count: int = 0

    def __post_init__(self) -> None:
        """
        Raises:
            TargetError: no compiler for the target, or LLVM does not know its core.
        """
        self._compiler = find_compiler(self.target)
        tvm_target(self.target)

    def default(self, trial: Trial | NetworkTrial) -> Variant | NetworkVariant:
        """Build what the trial is timed beside, once.

        Raises:
            Unbuildable, TargetError: as for ``tuned``.
        """
        key = trial.workload if isinstance(trial, Trial) else trial.network
        if key not in self._kept:
            untuned = self._untuned(trial)
            self._kept[key] = _with_expected(self.tuned(untuned), untuned)
        return self._kept[key]

    def tuned(self, trial: Trial | NetworkTrial) -> Variant | NetworkVariant:
        """Build what is tried.

        Raises:
            Unbuildable: there is no code for it.
            TargetError: it can't be linked, which is no fault of the tiles.
        """
        self._count += 1
        path = self.folder / f"variant_{self._count}.so"
        return self._kernels(trial, path) if isinstance(trial, Trial) else self._network(trial, path)

    def _untuned(self, trial: Trial | NetworkTrial) -> Trial | NetworkTrial:
        if isinstance(trial, NetworkTrial):
            return replace(trial, tiles=())
        return replace(trial, tile=choose_default(trial.workload, machine_of(self.target, self.optimize)))

    def _kernels(self, trial: Trial, path: Path) -> Variant:
        work, tile = trial.workload, trial.tile
        kernels = build_kernels(work, trial.occurrence.constants, tile, machine_of(self.target))
        names = [f"kernel_{index}" for index in range(len(kernels))]
        functions = {
            name: kernel.function.with_attr("global_symbol", name) for name, kernel in zip(names, kernels, strict=True)
        }
        with _blaming(tile):
            built = tvm.tirx.build(tvm.IRModule(functions), target=tvm_target(self.target), pipeline=TIR_PIPELINE)
        try:
            with without_tvm_lines():
                built.export_library(str(path), cc=self._compiler.command, options=list(LINK_OPTIONS))
        except (RuntimeError, OSError) as error:
            raise TargetError(f"{self._compiler.version} could not link a kernel: {error}") from error
        return Variant(str(path), tuple(map(step_of, names, kernels)))

    def _network(self, trial: NetworkTrial, path: Path) -> NetworkVariant:
        with _blaming("the network"):
            lowered = build(trial.network.module, self.target, dict(trial.tiles), trial.network.optimize)
        write_library(lowered, path, self._compiler)
        return NetworkVariant(str(path), find_golden(trial.network.source).inputs)


def _with_expected(variant: Variant | NetworkVariant, trial: Trial | NetworkTrial) -> Variant | NetworkVariant:
    if isinstance(variant, NetworkVariant) or isinstance(trial, NetworkTrial):
        return variant
    return replace(variant, expected=expected_of(trial.occurrence, trial.tile, variant.steps))


@contextmanager
def _blaming(what: object) -> Iterator[None]:
    """Blame what TVM and LLVM raise on what they build."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise Unbuildable(f"{what} can't be built: {first_line(error)}") from error


def step_of(name: str, kernel: Kernel) -> Step:
    """The kernel as a worker calls it."""
    parameters = kernel.function.params
    shapes = tuple(tuple(map(int, parameter.shape)) for parameter in parameters)
    types = tuple(NumericType(str(parameter.dtype)) for parameter in parameters)
    return Step(name, shapes, types, kernel.constants, kernel.epilogue.add, kernel.epilogue.in_place)
