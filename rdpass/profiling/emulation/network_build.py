"""A network built for a target as a folder that the emulator runs, kept under the hash of all that it is made of.

model.so   not stripped: its symbols say whose an instruction is
driver     runs it with marks            lib/   TVM's runtime libraries        facts.json   what the build knows
tensors    all types and extents               input_N.npy, expected_N.npy    golden numbers, torch's where it can
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tvm_ffi

import rdpass
from rdpass.core.files import new_folder
from rdpass.core.numeric_types import SINGLE, Precision
from rdpass.core.optimization import SPEED, Optimize
from rdpass.core.tvm_messages import without_tvm_lines
from rdpass.deploy.bundle.objects import Compilation, compile_objects, run_compiler
from rdpass.deploy.bundle.runner_program import ARRAYS, RUNTIME
from rdpass.deploy.bundle.runtime_libraries import find_libraries, tvm_versions
from rdpass.deploy.lowering import Lowered, build, network_of
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload
from rdpass.onnx.golden import Golden, find_golden
from rdpass.onnx.source import OnnxSource
from rdpass.profiling.emulation.plugin import cache_folder
from rdpass.targets.lookup import Target
from rdpass.targets.toolchain import Compiler, find_compiler

_DRIVER = Path(__file__).with_name("network_driver.cc")
_KEPT = 8
_SOURCES = (".py", ".cc", ".h", ".json")


@dataclass(frozen=True)
class Facts:
    """Facts about a built network: bytes of planned memory, of packed weights, of the model's code and of the whole
    library without symbols, and the functions that TVM lowered by itself."""

    activation_bytes: int
    workspace_bytes: int
    weight_bytes: int
    code_bytes: int
    library_bytes: int
    fallbacks: tuple[str, ...]


@contextmanager
def built_network(
    source: OnnxSource, target: Target, tuned: Mapping[Workload, Tile] | None = None, precision: Precision = SINGLE,
    optimize: Optimize = SPEED,
) -> Iterator[tuple[Path, Facts]]:  # fmt: skip
    """The folder of ``source`` built for ``target``, workloads in ``tuned`` with their tiles there: made now, or found
    as it was made before. ``precision``: fp16 for a network of floats that is to compute so. ``optimize``: what kernels
    are chosen for. While it is held here no other process removes it.

    Raises:
        ConfigError: the model can't be built.
        TargetError: a tool or TVM's runtime for the target is missing.
    """
    compiler, libraries = find_compiler(target), find_libraries(target)
    place = cache_folder() / "networks" / _digest(source, target, compiler, tuned or {}, precision, optimize)
    place.parent.mkdir(parents=True, exist_ok=True)
    with _lock_of(place).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        if not place.exists():
            fcntl.flock(lock, fcntl.LOCK_EX)  # one makes it, and those that wait find it
            if not place.exists():
                _make(place, source, target, compiler, libraries, tuned, precision, optimize)
            fcntl.flock(lock, fcntl.LOCK_SH)
        os.utime(place)
        stored: dict[str, Any] = json.loads((place / "facts.json").read_text())
        yield place, Facts(**{**stored, "fallbacks": tuple(stored["fallbacks"])})


def _make(
    place: Path, source: OnnxSource, target: Target, compiler: Compiler, libraries: tuple[Path, ...],
    tuned: Mapping[Workload, Tile] | None, precision: Precision, optimize: Optimize,
) -> None:  # fmt: skip
    golden = find_golden(source)
    lowered = build(network_of(source, target, precision), target, tuned, optimize)
    with new_folder(place) as folder:
        _write_golden(folder, source, golden)
        _link(folder, lowered, compiler, libraries)
        facts = _facts(folder, lowered, compiler)
        (folder / "facts.json").write_text(json.dumps(asdict(facts)))
    _forget_oldest(place.parent)


def _lock_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.lock")


def source_digest() -> str:
    """Of all code that decides what is built from a model."""
    package = Path(rdpass.__file__).parent
    digest = hashlib.sha256()
    for path in sorted({*_sources(package), *_sources(package / "passes"), *_sources(package / "kernels"), _DRIVER}):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _sources(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix in _SOURCES)


def _digest(
    source: OnnxSource, target: Target, compiler: Compiler, tuned: Mapping[Workload, Tile], precision: Precision,
    optimize: Optimize = SPEED,
) -> str:  # fmt: skip
    """Of everything that decides what the folder holds; the golden numbers belong to the model's digest."""
    tiles = sorted(map(repr, tuned.items()))
    code = tvm_versions(), source_digest()
    parts = repr((source.digest, source.inputs, target, compiler, *code, tiles, precision, optimize))
    return hashlib.sha256(parts.encode()).hexdigest()[:24]


def _write_golden(folder: Path, source: OnnxSource, golden: Golden) -> None:
    for index, (array, spec) in enumerate(zip(golden.inputs, source.inputs, strict=True)):
        np.save(folder / f"input_{index}.npy", np.asarray(array, spec.dtype, order="C"))
    for index, array in enumerate(golden.outputs):
        np.save(folder / f"expected_{index}.npy", array)
    specs = [("input", spec) for spec in source.inputs] + [("output", spec) for spec in source.outputs]
    lines = [" ".join(map(str, (kind, spec.dtype, *spec.shape))) for kind, spec in specs]
    (folder / "tensors").write_text("\n".join(lines) + "\n")


def _link(folder: Path, lowered: Lowered, compiler: Compiler, libraries: tuple[Path, ...]) -> None:
    with without_tvm_lines():
        lowered.executable.export_library(
            folder / "model.so", cc=compiler.command, options=["-Wl,--build-id=none"], workspace_dir=str(folder)
        )
    for left_over in folder.glob("*.o"):
        left_over.unlink()
    (folder / "lib").mkdir()
    for library in libraries:
        shutil.copyfile(library, folder / "lib" / library.name)
    compilation = Compilation(compiler, ("-std=c++17", "-O2"), (RUNTIME, *map(Path, tvm_ffi.libinfo.include_paths())))
    sources = (_DRIVER, RUNTIME / "vm_network.cc", *ARRAYS)
    with tempfile.TemporaryDirectory() as place:
        objects = map(str, compile_objects(compilation, sources, Path(place), cache=True))
        command = [compiler.command, *objects, "-o", str(folder / "driver"), f"-L{folder / 'lib'}"]
        command += ["-Wl,--no-as-needed", "-ltvm_runtime", "-ltvm_ffi", "-Wl,-rpath,$ORIGIN/lib"]
        run_compiler(compiler, command, "the driver")


def _facts(folder: Path, lowered: Lowered, compiler: Compiler) -> Facts:
    return Facts(
        activation_bytes=lowered.memory.activations,
        workspace_bytes=lowered.memory.workspace,
        weight_bytes=lowered.constants.packed,
        code_bytes=_code_bytes(folder / "model.so", compiler.command),
        library_bytes=_stripped_bytes(folder / "model.so", compiler),
        fallbacks=tuple(fallback.function for fallback in lowered.fallbacks),
    )


def _code_bytes(library: Path, compiler: str) -> int:
    """The size of the section of machine code."""
    size = subprocess.run([compiler, "-print-prog-name=size"], capture_output=True, text=True, check=False).stdout
    printed = subprocess.run([size.strip(), "-A", str(library)], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in printed.splitlines())
    return next(int(row[1]) for row in rows if row[:1] == [".text"])


def _stripped_bytes(library: Path, compiler: Compiler) -> int:
    """The size that it has in a bundle, where no symbols are left in."""
    with tempfile.TemporaryDirectory() as place:
        stripped = Path(place) / library.name
        subprocess.run([compiler.tool("objcopy"), "--strip-all", str(library), str(stripped)], check=True)
        return stripped.stat().st_size


def _forget_oldest(folder: Path) -> None:
    """Keep what was used last, and what is in use: a large network's folder has 100 MB."""
    found = sorted(
        (path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda p: p.stat().st_mtime
    )
    for path in found[:-_KEPT]:
        with _lock_of(path).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(path, ignore_errors=True)
            _lock_of(path).unlink(missing_ok=True)
