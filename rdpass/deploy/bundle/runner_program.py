"""A bundle's program ``run``: C++ that every kind of bundle shares, what is said of the network, and one kind's own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from rdpass.core.errors import TargetError
from rdpass.core.tensor_spec import TensorSpec
from rdpass.deploy.bundle.c_literals import c_string
from rdpass.deploy.bundle.manifest import Manifest
from rdpass.targets.toolchain import Compiler

RUNTIME = Path(__file__).parent.parent / "runtime"
"""The folder of the program's sources and headers."""

SHARED = tuple(
    RUNTIME / name
    for name in (
        "arguments.cc",
        "bench.cc",
        "command_line.cc",
        "comparison.cc",
        "cpu_features.cc",
        "npy.cc",
        "report.cc",
        "tensor.cc",
    )
)
"""What every kind of bundle compiles: the command line, .npy files, the check of the CPU, comparing and timing."""


def compile_program(
    path: Path, manifest: Manifest, compiler: Compiler, sources: Sequence[Path], options: Sequence[str]
) -> None:
    """Compile and link the program ``path`` from ``SHARED``, the description of the network, and ``sources``.

    Raises:
        TargetError: the compiler failed; the message carries the first thing it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        described = Path(folder, "description.cc")
        described.write_text(description_source(manifest))
        # Equal bundles are equal files: without the places that sources and headers lie at on this machine.
        maps = [f"-ffile-prefix-map={place}=." for place in (RUNTIME, folder)]
        files = [str(source) for source in (*SHARED, *sources, described)]
        command = [*compiler.call, "-std=c++17", "-Os", f"-I{RUNTIME}", *maps, *files, "-o", str(path), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
        raise TargetError(f"{compiler.version} could not compile the runner: {reason}")


def description_source(manifest: Manifest) -> str:
    """C++ that defines ``rdpass::description()`` (``runtime/network.h``) from a manifest."""
    target, golden = manifest.target, manifest.golden
    parts = (
        _text(target["name"]),
        _text(str(target["triple"]).partition("-")[0]),
        _list(map(_text, target["features"])),
        _list(map(_spec, manifest.inputs)),
        _list(map(_spec, manifest.outputs)),
        _list(map(_text, golden["inputs"])),
        _list(map(_text, golden["outputs"])),
        repr(float(golden["tolerance"])),
        str(manifest.planned_activation_bytes),
        str(manifest.planned_workspace_bytes),
    )
    body = ",\n      ".join(parts)
    return (
        '#include "network.h"\n\nnamespace rdpass {\n\nconst Description& description() {\n'
        f"  static const Description kDescription{{\n      {body}}};\n"
        "  return kDescription;\n}\n\n}  // namespace rdpass\n"
    )


def _list(items: Iterable[str]) -> str:
    return "{" + ", ".join(items) + "}"


def _spec(spec: TensorSpec) -> str:
    return _list((_text(spec.name), _text(spec.dtype), _list(map(str, spec.shape))))


def _text(value: str) -> str:
    return f"std::string({c_string(value)}, {len(value.encode())})"
