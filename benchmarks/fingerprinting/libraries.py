"""Fingerprints of compiled libraries: their bytes, named and nameless, the memory planned, the kernels chosen.

The manifest is kept but for versions, and for digests that follow from them.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import tvm_ffi

import rdpass
from benchmarks.fingerprinting import digests
from benchmarks.fingerprinting.nameless import calls_of, kernels_numbered, nameless_library
from benchmarks.fingerprinting.watching import Seen, watched

_LEFT_OUT = ("versions", "sha256")


def library_fingerprint(onnx: Path, target: str, runtime: Any = "vm", side: Path | None = None) -> dict[str, Any]:
    """All facts of ``onnx`` built for ``target``; what they are made of goes into the folder ``side``, if given."""
    with tempfile.TemporaryDirectory() as place:
        with watched() as seen:
            bundle = _built(onnx, target, runtime, Path(place, "bundle"))
        manifest = json.loads((bundle / "manifest.json").read_text())
        library = bundle / manifest["library"]
        nameless = Path(place, "nameless.so")
        if runtime == "vm":
            nameless_library(seen, nameless)
        else:
            with kernels_numbered():
                nameless = _built(onnx, target, runtime, Path(place, "nameless")) / library.name
        facts = {
            "library": {"sha256": digests.of_file(library), "bytes": library.stat().st_size},
            "nameless_sha256": digests.of_file(nameless),
            "activation_bytes": manifest["planned_activation_bytes"],
            "scratch_bytes": manifest["planned_workspace_bytes"],
            "kernels": _kernels(seen) if runtime == "vm" else {},
            "manifest": {name: value for name, value in manifest.items() if name not in _LEFT_OUT},
        }
    if side is not None:
        _keep(side, manifest, seen if runtime == "vm" else None)
    return facts


def _built(onnx: Path, target: str, runtime: Any, folder: Path) -> Path:
    return rdpass.compile(onnx, target, folder, runtime=runtime, show_progress=False).folder


def _kernels(seen: Seen) -> dict[str, dict[str, Any]]:
    """By name, how often each function is called, a hash of its code, and, of a kernel, workload and tile.

    The hash is TVM's structural one, of the function as it goes to LLVM. Its attributes are in it, the names of
    functions and variables are not.
    """
    module = seen.module
    assert module is not None
    facts: dict[str, dict[str, Any]] = {}
    for name, calls in calls_of(module).items():
        workload, tile = seen.choices.get(name, (None, None))
        code = tvm_ffi.structural_hash(module[name].without_attr("global_symbol"), map_free_vars=True)
        facts[name] = {"calls": calls, "code": f"{code:x}", "workload": workload, "tile": tile}
    return facts


def _keep(side: Path, manifest: dict[str, Any], seen: Seen | None) -> None:
    side.mkdir(parents=True, exist_ok=True)
    (side / "manifest.json").write_text(json.dumps(manifest, indent=1))
    if seen is not None and seen.module is not None:
        (side / "main.txt").write_text(seen.module["main"].script())
        (side / "functions.txt").write_text(seen.module.script())
