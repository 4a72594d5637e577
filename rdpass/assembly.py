"""Puts a bundle's files in a folder: the network, the runner, TVM's runtime libraries, golden input and output."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tvm_ffi

from rdpass.errors import TargetError
from rdpass.execution import RUNNER
from rdpass.golden import Golden
from rdpass.lowering import LINK_OPTIONS, Lowered, write_library
from rdpass.toolchain import Compiler

LIBRARY = "model.so"

_RUNNER_SOURCE = Path(__file__).with_name("runtime") / "run.cc"


def assemble(folder: Path, lowered: Lowered, golden: Golden, compiler: Compiler, libraries: Sequence[Path]) -> None:
    """Everything but the manifest.

    Raises:
        TargetError: the compiler failed.
    """
    write_library(lowered, folder / LIBRARY, compiler)
    (folder / "lib").mkdir()
    for library in libraries:
        shutil.copyfile(library, folder / "lib" / library.name)
    compile_runner(folder, compiler)
    (folder / "golden").mkdir()
    for names, arrays in zip(golden_files(golden).values(), (golden.inputs, golden.outputs), strict=True):
        for name, array in zip(names, arrays, strict=True):
            np.save(folder / name, array)


def golden_files(golden: Golden) -> dict[str, list[str]]:
    """The names, within a bundle, of the golden inputs and outputs."""
    return {
        "inputs": [f"golden/input_{index}.npy" for index in range(len(golden.inputs))],
        "outputs": [f"golden/output_{index}.npy" for index in range(len(golden.outputs))],
    }


def compile_runner(folder: Path, compiler: Compiler) -> None:
    """Compile ``folder/run`` against the libraries in ``folder/lib``, which it looks for beside itself.

    Raises:
        TargetError: the compiler failed; the message carries the first thing it said.
    """
    headers = tvm_ffi.libinfo.include_paths()
    command = [compiler.command, "-std=c++17", "-Os", *(f"-isystem{path}" for path in headers)]
    # The headers' assertions name their own files: without the place they lie at on this machine.
    command += [f"-ffile-prefix-map={path}=." for path in headers]
    command += [f"-ffile-prefix-map={_RUNNER_SOURCE.parent}=.", str(_RUNNER_SOURCE), "-o", str(folder / RUNNER)]
    # The runtime is there for what it registers when it is loaded; the runner calls nothing of it by name.
    command += [f"-L{folder / 'lib'}", "-Wl,--no-as-needed", "-ltvm_runtime", "-ltvm_ffi", "-Wl,-rpath,$ORIGIN/lib"]
    done = subprocess.run([*command, *LINK_OPTIONS], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
        raise TargetError(f"{compiler.version} could not compile the runner: {reason}")
