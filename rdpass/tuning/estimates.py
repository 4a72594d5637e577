"""Ranks tiles without a board: cycles and cache misses of an emulated run, see ``rdpass.emulation``.

seconds = cycles / (clock x cores) + bytes missed in L2 / DRAM bandwidth. Cycles alone would choose wrongly: they take
every load for a hit. All threads' work is counted on one core, so how evenly they share it does not show. These are
estimates, good for an order of tiles, and no times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rdpass.comparison import Array, relative_error
from rdpass.database.record import Method
from rdpass.emulation.boards import modelled_core
from rdpass.emulation.emulator import Caches
from rdpass.emulation.kernel import measure_kernel
from rdpass.emulation.llvm_tools import find_llvm_tool
from rdpass.errors import DeviceError, TargetError
from rdpass.kernels.choose import choose_default
from rdpass.kernels.machine import machine_of
from rdpass.kernels.schedule import Tile, make_kernels
from rdpass.kernels.workload import Workload
from rdpass.passes.relax.find_workloads import Occurrence
from rdpass.passes.tir.pipeline import NAME as TIR_PIPELINE
from rdpass.targets.lookup import ArmTarget
from rdpass.targets.toolchain import find_compiler, find_launcher
from rdpass.tuning.job import Timing
from rdpass.tuning.libraries import epilogues_of, step_of
from rdpass.tuning.outcome import Outcome, Rejected, judged
from rdpass.tuning.task import Trial
from rdpass.tuning.worker import arguments_of


@dataclass(frozen=True)
class _Estimate:
    seconds: float
    output: Array


class Estimates:
    """Estimates for ``target``, with its own caches, clock and bandwidth."""

    method: Method = "mca"

    def __init__(self, target: ArmTarget) -> None:
        """
        Raises:
            TargetError: no model of its core, a figure of it is not known, or a tool is missing.
        """
        if not (target.clock_ghz and target.dram_gbps and target.l1d_bytes and target.last_cache_bytes):
            raise TargetError(f"{target.name}: clock, caches or DRAM bandwidth are not known, which estimates need")
        self._target, self._core = target, modelled_core(target)
        self._caches = Caches(l1=target.l1d_bytes, l2=target.last_cache_bytes)
        self._defaults: dict[Workload, _Estimate] = {}
        find_compiler(target), find_launcher(target)
        find_llvm_tool("llvm-mca"), find_llvm_tool("llvm-mc")

    def measure(self, take: Callable[[], Trial | None], check: Callable[[], None]) -> Iterator[tuple[Trial, Outcome]]:
        while (trial := take()) is not None:
            check()
            default = self._default(trial.occurrence)
            try:
                tile = self._estimate(trial.occurrence, trial.tile)
            except DeviceError as error:
                yield trial, Rejected(str(error))
                continue
            differs = relative_error(tile.output, default.output)
            yield trial, judged(Timing(tile.seconds, default.seconds, 1, 0.0, differs))

    def _default(self, occurrence: Occurrence) -> _Estimate:
        if occurrence.workload not in self._defaults:
            tile = choose_default(occurrence.workload, machine_of(self._target))
            self._defaults[occurrence.workload] = self._estimate(occurrence, tile)
        return self._defaults[occurrence.workload]

    def _estimate(self, occurrence: Occurrence, tile: Tile) -> _Estimate:
        kernels = make_kernels(occurrence.workload, occurrence.constants, tile, machine_of(self._target))
        seconds, output = 0.0, None
        for kernel, epilogue in zip(kernels, epilogues_of(occurrence.workload, tile), strict=True):
            arguments = arguments_of(step_of("kernel", kernel, epilogue))
            if output is not None:
                arguments[0] = output
            given = arguments[:-1] if epilogue.in_place else arguments[:-2]
            cost = measure_kernel(
                kernel.function, given, self._target, pipeline=TIR_PIPELINE, outputs=2, caches=self._caches,
                cores=(self._core,),
            )  # fmt: skip
            cycles = cost.cycles[self._core] / self._target.cores
            seconds += cycles / (self._target.clock_ghz * 1e9) + cost.l2_miss_bytes / (self._target.dram_gbps * 1e9)
            output = cost.outputs[0]
        assert output is not None
        return _Estimate(seconds, output)
