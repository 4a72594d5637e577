"""Puts a bundle's files in a folder: the network, the runner and what it needs, golden input and output."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tvm_ffi

from rdpass.deploy.aot.library import link_library, link_program, write_c_library
from rdpass.deploy.aot.network import Network
from rdpass.deploy.bundle.execution import RUNNER
from rdpass.deploy.bundle.manifest import Manifest
from rdpass.deploy.bundle.readme import write_readme
from rdpass.deploy.bundle.runner_program import (
    LIBRARY_LINK,
    LIBRARY_SHARED,
    NETWORK_LIBRARY,
    PUBLIC,
    RUN,
    RUNTIME,
    SHARED,
    Parts,
    Product,
    compile_products,
)
from rdpass.deploy.bundle.stb_image import LICENCE, STB, find_stb
from rdpass.deploy.lowering import LINK_OPTIONS, Lowered, write_library
from rdpass.onnx.golden import Golden
from rdpass.targets.toolchain import Compiler

LIBRARY = "model.so"
NEEDS = "Linux with glibc 2.27 or newer and libstdc++ of GCC 7 or newer"
NEEDS_WITHOUT = "Linux 3.7 or newer, and nothing else"
NEEDS_ANDROID = "Android 10 or newer"


def assemble(
    folder: Path,
    manifest: Manifest,
    code: Lowered | Network,
    golden: Golden,
    compiler: Compiler,
    libraries: Sequence[Path],
    cache: bool,
    shared: bool,
) -> None:
    """Everything but the manifest, of which what is known before anything was built goes into the runner.

    With ``cache``, the runner's parts that are the same in every bundle are compiled once. With ``shared``, a bundle
    without a runtime has a shared library too.

    Raises:
        TargetError: the compiler failed.
    """
    (folder / "golden").mkdir()
    for names, arrays in zip(golden_files(golden).values(), (golden.inputs, golden.outputs), strict=True):
        for name, array in zip(names, arrays, strict=True):
            np.save(folder / name, array)
    if STB in manifest.versions:
        (folder / LICENCE).write_text(find_stb().licence)
    if isinstance(code, Network):
        write_c_library(folder, code, compiler)
        if shared:
            _copy_headers(folder)
            link_library(folder, manifest, code.prefix, compiler, cache)
        if compiler.links:
            link_program(folder, manifest, code.prefix, compiler, cache)
        write_readme(folder, manifest, NEEDS_ANDROID if code.target.is_android else NEEDS_WITHOUT)
    else:
        write_library(code, folder / LIBRARY, compiler)
        (folder / "lib").mkdir()
        for library in libraries:
            shutil.copyfile(library, folder / "lib" / library.name)
        _copy_headers(folder)
        compile_runner(folder, manifest, compiler, cache)
        write_readme(folder, manifest, NEEDS)


def golden_files(golden: Golden) -> dict[str, list[str]]:
    """The names, within a bundle, of the golden inputs and outputs."""
    return {
        "inputs": [f"golden/input_{index}.npy" for index in range(len(golden.inputs))],
        "outputs": [f"golden/output_{index}.npy" for index in range(len(golden.outputs))],
    }


def compile_runner(folder: Path, manifest: Manifest, compiler: Compiler, cache: bool) -> None:
    """Compile ``folder/run`` and the library for other programs against the libraries in ``folder/lib``, which both
    look for beside themselves.

    Raises:
        TargetError: the compiler failed; the message carries the first thing it said.
    """
    # The runtime is there for what it registers when it is loaded; the runner calls nothing of it by name.
    link = (f"-L{folder / 'lib'}", "-Wl,--no-as-needed", "-ltvm_runtime", "-ltvm_ffi", "-Wl,-rpath,$ORIGIN/lib")
    network = tuple(RUNTIME / name for name in ("vm_network.cc", "vm_load.cc", "old_libraries.cc"))
    program = (*SHARED, RUN, *network, RUNTIME / "old_systems.cc")
    parts = Parts(
        products=(
            Product(folder / RUNNER, program, (*link, "-Wl,--wrap=__libc_start_main", *LINK_OPTIONS)),
            Product(folder / NETWORK_LIBRARY, (*LIBRARY_SHARED, *network), (*LIBRARY_LINK, *link, *LINK_OPTIONS)),
        ),
        flags=("-fPIC",),
        headers=tuple(map(Path, tvm_ffi.libinfo.include_paths())),
    )
    compile_products(folder, manifest, compiler, parts, cache)


def _copy_headers(folder: Path) -> None:
    """What a program needs to call the bundle's library, and an example of one."""
    for name in PUBLIC:
        shutil.copyfile(RUNTIME / name, folder / name)
