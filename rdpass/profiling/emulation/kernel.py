"""Cost of one TIR function: built alone, linked into a program without TVM's runtime, run under the emulator.

cost = measure_kernel(function, [x, weights, bias], find_target("rpi4"))
cost.outputs, cost.instructions, cost.cycles["cortex-a72"], cost.fmla_share_of_hot_loops
"""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tvm
import tvm_ffi

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError, TargetError
from rdpass.deploy.lowering import tvm_target
from rdpass.profiling.emulation.blocks import basic_blocks
from rdpass.profiling.emulation.cycles import measure_blocks
from rdpass.profiling.emulation.emulator import LINE, Caches, Profile, profile
from rdpass.profiling.emulation.hot_loops import HotLoop, hot_loops
from rdpass.profiling.emulation.instructions import CLASSES, classify
from rdpass.profiling.emulation.throughput import CORES
from rdpass.targets.lookup import Target
from rdpass.targets.toolchain import find_compiler

_HARNESS = Path(__file__).with_name("kernel_harness.c")
_TIMEOUT = 600.0


@dataclass(frozen=True)
class KernelCost:
    """One call of a kernel, caches warm from a call before.

    ``instructions``, ``fmla`` (four lanes each), ``classes`` and ``workspace_bytes`` are counted; the bytes missed are
    simulated (64 a missed line); ``cycles`` of each core are estimates with every load in L1.
    """

    outputs: tuple[Array, ...]
    instructions: int
    fmla: int
    classes: Mapping[str, int]
    cycles: Mapping[str, float]
    l1_miss_bytes: int
    l2_miss_bytes: int
    workspace_bytes: int
    hot_loops: tuple[HotLoop, ...]

    @property
    def fmla_share_of_hot_loops(self) -> tuple[float, ...]:
        """Hottest first; of the loops that multiply at all, so not a Winograd transform's, say."""
        return tuple(loop.fmla_share for loop in self.hot_loops if loop.fmla)


def measure_kernel(
    function: Any,
    arrays: Sequence[Array],
    target: Target,
    *,
    pipeline: Any = "default",
    outputs: int | None = None,
    caches: Caches | None = None,
    cores: Sequence[str] = CORES,
    tvm_options: Mapping[str, Any] | None = None,
) -> KernelCost:
    """Build ``function``, a PrimFunc of static shapes, and run it twice; the second call is measured.

    Args:
        function: its parameters are tensors.
        arrays: the contents of its first parameters. The rest are outputs.
        pipeline: the TIR pipeline to build with, as ``tvm.tirx.build`` takes it.
        outputs: how many of the last parameters to return, where some are both read and written (an add in place): then
            ``arrays`` gives those too.
        caches: the cache sizes to simulate; by default ``Caches()``.
        cores: whose cycles to estimate.
        tvm_options: the configuration of TVM's ``PassContext``.

    Raises:
        ConfigError: the arrays don't fit the parameters.
        TargetError: a tool is missing, or the kernel can't be linked.
        DeviceError: the kernel failed, or its two calls gave different outputs, which means that it reads what nobody
            wrote.
    """
    specs = [(tuple(map(int, p.shape)), np.dtype(str(p.dtype))) for p in function.params]
    returned = len(specs) - len(arrays) if outputs is None else outputs
    _check(specs, arrays, returned)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _write_tensors(folder, specs, arrays, returned)
        _build(folder, function, target, pipeline, tvm_options or {})
        seen = profile(folder, ["./kernel"], target, caches or Caches(), timeout=_TIMEOUT)
        results = tuple(
            np.fromfile(folder / f"{index}.bin", dtype).reshape(shape)
            for index, (shape, dtype) in list(enumerate(specs))[len(specs) - returned :]
        )
    return _cost(seen, results, cores)


def _check(specs: Sequence[tuple[tuple[int, ...], Any]], arrays: Sequence[Array], returned: int) -> None:
    if len(arrays) + returned < len(specs) or returned > len(specs):
        raise ConfigError(f"{len(arrays)} arrays and {returned} outputs for a function of {len(specs)} parameters")
    for index, (array, (shape, dtype)) in enumerate(zip(arrays, specs, strict=False)):
        if array.shape != shape or array.dtype != dtype:
            raise ConfigError(f"parameter {index} is {dtype} {shape}, and was given {array.dtype} {array.shape}")


def _write_tensors(
    folder: Path, specs: Sequence[tuple[tuple[int, ...], Any]], arrays: Sequence[Array], returned: int
) -> None:
    lines = []
    for index, (shape, dtype) in enumerate(specs):
        written = index >= len(specs) - returned
        direction = "in" if not written else "inout" if index < len(arrays) else "out"
        code = {"i": 0, "u": 1, "f": 2}[dtype.kind]
        lines.append(" ".join(map(str, (direction, code, 8 * dtype.itemsize, len(shape), *shape))))
        if index < len(arrays):
            np.ascontiguousarray(arrays[index]).tofile(folder / f"{index}.bin")
    (folder / "tensors").write_text("\n".join(lines) + "\n")


def _build(folder: Path, function: Any, target: Target, pipeline: Any, options: Mapping[str, Any]) -> None:
    module = tvm.IRModule({"kernel": function.with_attr("global_symbol", "kernel")})
    with tvm.transform.PassContext(config=dict(options)):
        built = tvm.tirx.build(module, target=tvm_target(target), pipeline=pipeline)
    built.write_to_file(str(folder / "kernel.o"), "o")
    compiler = find_compiler(target)
    headers = [f"-isystem{path}" for path in tvm_ffi.libinfo.include_paths()]
    command = [compiler.command, "-x", "c", "-O1", "-static", *headers, str(_HARNESS), "-x", "none", "kernel.o"]
    done = subprocess.run(
        [*command, "-lm", "-o", "kernel"], cwd=folder, capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode:
        raise TargetError(f"{compiler.version} could not link the kernel: {done.stderr.strip()}")


def _cost(seen: Profile, outputs: tuple[Array, ...], cores: Sequence[str]) -> KernelCost:
    blocks = basic_blocks(seen.blocks)
    classes: Counter[str] = Counter(dict.fromkeys(CLASSES, 0))
    for block in blocks:
        for word in block.words:
            classes[classify(word)] += block.runs
    times = measure_blocks(blocks, cores)
    return KernelCost(
        outputs=outputs,
        instructions=sum(block.instructions for block in blocks),
        fmla=classes["fmla"],
        classes=dict(classes),
        cycles={core: times.cycles(blocks, core) for core in cores},
        l1_miss_bytes=LINE * seen.l1_misses,
        l2_miss_bytes=LINE * seen.l2_misses,
        workspace_bytes=int(seen.printed.split()[1]),
        hot_loops=hot_loops(blocks),
    )
