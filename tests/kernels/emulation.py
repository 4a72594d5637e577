"""Runs many kernels on an emulated ARM core, as one program in one go."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tvm
import tvm_ffi

from rdpass.core.comparison import Array
from rdpass.deploy.lowering import tvm_target
from rdpass.passes.tir.pipeline import NAME
from rdpass.targets.lookup import Target
from rdpass.targets.toolchain import find_compiler, find_launcher
from tests.kernels.case import Case
from tests.kernels.tester import judge

_HARNESS = Path(__file__).with_name("many.c")


def check_emulated(cases: Sequence[Case], target: Target, folder: Path, tolerance: float) -> list[float]:
    """Run ``cases`` and return their relative errors.

    Raises:
        ParityError, AssertionError: as ``tester.check``.
        subprocess.CalledProcessError: the program could not be linked, or failed.
    """
    _build(cases, target, folder)
    arguments = [list(case.arguments) for case in cases]
    (folder / "calls").write_text("\n".join(map(_described, arguments)))
    (folder / "before").write_bytes(b"".join(array.tobytes() for arrays in arguments for array in arrays))
    subprocess.run([*find_launcher(target), "./many"], cwd=folder, check=True)
    after = _split((folder / "after").read_bytes(), arguments)
    return [judge(case, list(arrays), tolerance) for case, arrays in zip(cases, after, strict=True)]


def _build(cases: Sequence[Case], target: Target, folder: Path) -> None:
    names = [f"kernel_{index}" for index in range(len(cases))]
    functions = {n: case.function.with_attr("global_symbol", n) for n, case in zip(names, cases, strict=True)}
    built = tvm.tirx.build(tvm.IRModule(functions), target=tvm_target(target), pipeline=NAME)
    built.write_to_file(str(folder / "kernels.o"), "o")
    (folder / "kernels.h").write_text("#define KERNELS " + " ".join(f"X({name})" for name in names) + "\n")
    headers = [f"-isystem{path}" for path in tvm_ffi.libinfo.include_paths()]
    command = [find_compiler(target).command, "-x", "c", "-O1", "-static", "-I.", *headers, str(_HARNESS)]
    subprocess.run([*command, "-x", "none", "kernels.o", "-lm", "-o", "many"], cwd=folder, check=True)


_CODES = {"i": 0, "u": 1, "f": 2}
"""DLPack's, by numpy's kinds."""


def _described(arrays: Sequence[Array]) -> str:
    numbers = [(_CODES[a.dtype.kind], 8 * a.dtype.itemsize, a.ndim, *a.shape) for a in arrays]
    return " ".join(map(str, [len(arrays), *(number for several in numbers for number in several)]))


def _split(values: bytes, arguments: Sequence[Sequence[Array]]) -> Iterator[list[Array]]:
    begin = 0
    for arrays in arguments:
        found = []
        for array in arrays:
            part = values[begin : begin + array.nbytes]
            found.append(np.frombuffer(part, array.dtype).reshape(array.shape))
            begin += array.nbytes
        yield found
