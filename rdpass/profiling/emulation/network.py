"""Cost of one inference of a network: built for the target, run under the emulator, function by function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rdpass.core.comparison import Array, relative_error
from rdpass.core.numeric_types import SINGLE, Precision
from rdpass.core.optimization import SPEED, Optimize
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload
from rdpass.onnx.source import OnnxSource, read_onnx
from rdpass.profiling.emulation.blocks import BasicBlock, TranslationBlock, basic_blocks
from rdpass.profiling.emulation.boards import modelled_core
from rdpass.profiling.emulation.cycles import BlockTimes, measure_blocks
from rdpass.profiling.emulation.emulator import LINE, Caches, Profile, profile
from rdpass.profiling.emulation.hot_loops import hot_loops
from rdpass.profiling.emulation.network_build import Facts, built_network
from rdpass.profiling.emulation.symbols import Symbols, read_symbols, with_nameless
from rdpass.profiling.emulation.throughput import CORES
from rdpass.targets.lookup import Target
from rdpass.targets.toolchain import find_compiler

RUNTIME = "(runtime)"
"""The row of what is in no function of the network: TVM's virtual machine, the C library."""


@dataclass(frozen=True)
class FunctionCost:
    """All calls of one function in one inference. ``kind``: kernel (ours), fallback (TVM's lowering) or runtime.

    ``fmla_share_of_hot_loops`` is of those loops with at least 5 % of its instructions that multiply, hottest first;
    ``fmla_bound_of_hot_loops`` what it could be with their register tiles (``HotLoop.fmla_bound``).
    """

    name: str
    kind: str
    calls: int
    instructions: int
    fmla: int
    est_cycles: Mapping[str, float]
    l2_miss_bytes: int
    fmla_share_of_hot_loops: tuple[float, ...]
    fmla_bound_of_hot_loops: tuple[float, ...]


@dataclass(frozen=True)
class NetworkCost:
    """One inference, caches warm from one before; functions in the order in which they run first.

    ``instructions``, ``fmla`` and the build's ``facts`` are exact, ``dram_bytes`` are simulated L2 misses (64 bytes
    each), ``est_cycles`` and ``est_ms`` estimates. ``max_rel_error`` is against the golden numbers, torch's where the
    model came with them.
    """

    facts: Facts
    instructions: int
    fmla: int
    est_cycles: Mapping[str, float]
    dram_bytes: int
    est_ms: float
    max_rel_error: float
    functions: tuple[FunctionCost, ...]

    @property
    def peak_activation_bytes(self) -> int:
        """Planned blocks, outputs and the largest workspace; the input is the caller's."""
        return self.facts.activation_bytes + self.facts.workspace_bytes

    @property
    def fallback_share(self) -> float:
        """Of all instructions, those in functions that no kernel of ours computes."""
        return sum(f.instructions for f in self.functions if f.kind == "fallback") / self.instructions

    @property
    def dram_bytes_beyond_weights(self) -> int:
        """Bytes missed beyond reading each packed weight once."""
        return max(0, self.dram_bytes - self.facts.weight_bytes)


def measure_network(
    model: Path | OnnxSource, target: Target, caches: Caches | None = None,
    tuned: Mapping[Workload, Tile] | None = None, precision: Precision = SINGLE, optimize: Optimize = SPEED,
    cores: Sequence[str] = CORES,
) -> NetworkCost:  # fmt: skip
    """Build ``model``, an ONNX file or what was read from one, for ``target`` and count one inference.

    A workload in ``tuned`` has its tile there. ``precision``: fp16 for a network of floats that is to compute so.
    ``optimize``: what kernels are chosen for. ``cores``: those to estimate cycles of; the target's own always is.

    Raises:
        ConfigError: the model can't be built.
        TargetError: a tool or TVM's runtime for the target is missing.
        DeviceError: the network failed under the emulator.
    """
    core = modelled_core(target)
    cores = tuple(dict.fromkeys((*cores, core)))
    source = model if isinstance(model, OnnxSource) else read_onnx(model)
    with built_network(source, target, tuned, precision, optimize) as (folder, facts):
        seen = profile(folder, ["./driver"], target, caches or Caches(), variables={"TVM_NUM_THREADS": "1"})
        symbols, error = read_symbols(folder / "model.so", find_compiler(target).command), _error(folder)
    functions, times, blocks = _functions(seen, symbols, int(seen.printed.split()[1]), facts, cores)
    dram = LINE * seen.l2_misses
    cycles = {name: times.cycles(blocks, name) for name in cores}
    return NetworkCost(
        facts=facts,
        instructions=sum(block.instructions for block in blocks),
        fmla=sum(block.runs * block.fmla for block in blocks),
        est_cycles=cycles,
        dram_bytes=dram,
        est_ms=cycles[core] / target.clock_ghz / 1e6 + dram / target.dram_gbps / 1e6,
        max_rel_error=error,
        functions=functions,
    )


def _functions(
    seen: Profile, symbols: Symbols, base: int, facts: Facts, cores: Sequence[str]
) -> tuple[tuple[FunctionCost, ...], BlockTimes, tuple[BasicBlock, ...]]:
    blocks = basic_blocks(seen.blocks)
    times = measure_blocks(blocks, cores)
    symbols = with_nameless(symbols, blocks, base)
    own: dict[str, list[BasicBlock]] = {}
    for block in blocks:
        own.setdefault(symbols.owner(block.address - base) or RUNTIME, []).append(block)
    multiplying = {name: [loop for loop in hot_loops(own[name]) if loop.fmla] for name in own}
    misses = _misses(seen.blocks, symbols, base)
    costs = tuple(
        FunctionCost(
            name=name,
            kind="runtime" if name == RUNTIME else "fallback" if name in facts.fallbacks else "kernel",
            calls=_runs_at(own[name], base + symbols.entries[name]) if name in symbols.entries else 1,
            instructions=sum(block.instructions for block in own[name]),
            fmla=sum(block.runs * block.fmla for block in own[name]),
            est_cycles={core: times.cycles(own[name], core) for core in cores},
            l2_miss_bytes=LINE * misses.get(name, 0),
            fmla_share_of_hot_loops=tuple(round(loop.fmla_share, 4) for loop in multiplying[name]),
            fmla_bound_of_hot_loops=tuple(round(loop.fmla_bound, 4) for loop in multiplying[name]),
        )
        for name in _in_order(seen.blocks, symbols, base)
    )
    return costs, times, blocks


def _in_order(translated: Sequence[TranslationBlock], symbols: Symbols, base: int) -> tuple[str, ...]:
    """The functions that ran, in the order in which the emulator met them; it lists its blocks newest first."""
    return tuple(dict.fromkeys(symbols.owner(block.address - base) or RUNTIME for block in reversed(translated)))


def _misses(translated: Sequence[TranslationBlock], symbols: Symbols, base: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for block in translated:
        name = symbols.owner(block.address - base) or RUNTIME
        found[name] = found.get(name, 0) + block.l2_misses
    return found


def _runs_at(blocks: Sequence[BasicBlock], address: int) -> int:
    return sum(b.runs for b in blocks if b.address <= address < b.address + 4 * len(b.words))


def _error(folder: Path) -> float:
    """The largest relative error of all outputs."""
    count = len(list(folder.glob("expected_*.npy")))
    pairs = [(_load(folder, "output", index), _load(folder, "expected", index)) for index in range(count)]
    return max((relative_error(actual, expected) for actual, expected in pairs), default=0.0)


def _load(folder: Path, kind: str, index: int) -> Array:
    array: Array = np.load(folder / f"{kind}_{index}.npy")
    return array
