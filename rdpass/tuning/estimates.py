"""Rank tiles and networks without a board: cycles and cache misses of an emulated run (``profiling.emulation``).

seconds = cycles / (clock x cores) + bytes missed in L2 / DRAM bandwidth. Cycles alone would choose wrongly: they take
every load for a hit. Of a kernel's two calls the second is counted, which may find its weights in the cache; in a
network they come from memory, so at least their bytes count as missed. All threads' work is counted on one core, so how
evenly they share it does not show. These are estimates, good for an order of tiles, and no times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from rdpass.core.comparison import Array
from rdpass.core.errors import DeviceError, TargetError
from rdpass.core.optimization import SPEED, Optimize
from rdpass.database.record import Method
from rdpass.kernels.choice import build_kernels, choose_default
from rdpass.kernels.machine import machine_of
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload
from rdpass.passes.lowering.match.find_workloads import Occurrence
from rdpass.passes.tir.pipeline import NAME as TIR_PIPELINE
from rdpass.profiling.emulation.boards import modelled_core
from rdpass.profiling.emulation.emulator import Caches
from rdpass.profiling.emulation.kernel import measure_kernel
from rdpass.profiling.emulation.llvm_tools import find_llvm_tool
from rdpass.profiling.emulation.network import NetworkCost, measure_network
from rdpass.targets.lookup import Target
from rdpass.targets.toolchain import find_compiler, find_launcher
from rdpass.tuning.job import Timing
from rdpass.tuning.libraries import step_of
from rdpass.tuning.outcome import Outcome, Rejected, T, Unknown, allowed_error, judged
from rdpass.tuning.references import expected_of
from rdpass.tuning.task import Network, NetworkTrial, Trial
from rdpass.tuning.worker import arguments_of, error_of


@dataclass(frozen=True)
class _Estimate:
    """``expected``: the map that ``output`` has to hold to the last bit, of the default tile's where there is one."""

    seconds: float
    output: Array
    expected: Array | None = None


class Estimates:
    """Estimates for ``target``, with its own caches, clock and bandwidth; ``optimize``: what defaults are for."""

    method: Method = "mca"

    def __init__(self, target: Target, optimize: Optimize = SPEED) -> None:
        """
        Raises:
            TargetError: no model of its core, a figure of it is not known, or a tool is missing.
        """
        if not (target.clock_ghz and target.dram_gbps and target.l1d_bytes and target.last_cache_bytes):
            raise TargetError(f"{target.name}: clock, caches or DRAM bandwidth are not known, which estimates need")
        self._target, self._core = target, modelled_core(target)
        self._machine = machine_of(target, optimize)
        self._caches = Caches(l1=target.l1d_bytes, l2=target.last_cache_bytes)
        self._defaults: dict[Workload, _Estimate] = {}
        find_compiler(target), find_launcher(target)
        find_llvm_tool("llvm-mca"), find_llvm_tool("llvm-mc")

    def measure(self, take: Callable[[], T | None], check: Callable[[], None]) -> Iterator[tuple[T, Outcome]]:
        while (trial := take()) is not None:
            check()
            yield trial, self._network(trial, check) if isinstance(trial, NetworkTrial) else self._tile(trial)

    def _tile(self, trial: Trial) -> Outcome:
        default = self._default(trial.occurrence)
        try:
            tile = self._estimate(trial.occurrence, trial.tile)
        except DeviceError as error:
            return Rejected(str(error))
        expected = default.output if default.expected is None else default.expected
        return judged(
            Timing(tile.seconds, default.seconds, 1, 0.0, error_of(tile.output, expected)), allowed_error(trial)
        )

    def _network(self, trial: NetworkTrial, check: Callable[[], None]) -> Outcome:
        """It takes TVM's runtime for the target, which tiles do not."""
        try:
            default = self._whole(trial.network, {})
            check()
            tuned = self._whole(trial.network, dict(trial.tiles))
        except TargetError as error:
            return Unknown(str(error))
        except DeviceError as error:
            return Rejected(str(error))
        times = self._network_seconds(tuned), self._network_seconds(default)
        return judged(Timing(*times, 1, 0.0, tuned.max_rel_error), allowed_error(trial))

    def _whole(self, network: Network, tiles: Mapping[Workload, Tile]) -> NetworkCost:
        precision, optimize = network.precision, network.optimize
        return measure_network(network.source, self._target, self._caches, tiles, precision, optimize)

    def _network_seconds(self, cost: NetworkCost) -> float:
        return self._seconds(cost.est_cycles[self._core], cost.dram_bytes)

    def _seconds(self, cycles: float, missed: int) -> float:
        return cycles / (self._target.clock_ghz * 1e9 * self._target.cores) + missed / (self._target.dram_gbps * 1e9)

    def _default(self, occurrence: Occurrence) -> _Estimate:
        if occurrence.workload not in self._defaults:
            tile = choose_default(occurrence.workload, self._machine)
            self._defaults[occurrence.workload] = self._estimate(occurrence, tile, is_default=True)
        return self._defaults[occurrence.workload]

    def _estimate(self, occurrence: Occurrence, tile: Tile, is_default: bool = False) -> _Estimate:
        kernels = build_kernels(occurrence.workload, occurrence.constants, tile, self._machine)
        steps = [step_of("kernel", kernel) for kernel in kernels]
        seconds, output = 0.0, None
        for kernel, step in zip(kernels, steps, strict=True):
            arguments = arguments_of(step)
            if output is not None:
                arguments[0] = output
            given = arguments[:-1] if kernel.epilogue.in_place else arguments[:-2]
            cost = measure_kernel(
                kernel.function, given, self._target, pipeline=TIR_PIPELINE, outputs=2, caches=self._caches,
                cores=(self._core,),
            )  # fmt: skip
            missed = max(cost.l2_miss_bytes, sum(array.nbytes for array in step.constants))
            seconds += self._seconds(cost.cycles[self._core], missed)
            output = cost.outputs[0]
        assert output is not None
        return _Estimate(seconds, output, expected_of(occurrence, tile, steps) if is_default else None)
