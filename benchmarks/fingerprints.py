"""Fingerprints of all that the project makes, to show that a change of its code changes none of it.

    python benchmarks/fingerprints.py --out before.json
    python benchmarks/fingerprints.py --out after.json --against before.json

libraries    networks compiled for each target: the library's bytes, with and without names, the memory planned, the
             kernels chosen, and the manifest but for versions
inspections  the answers of ``rdpass inspect --json`` on sixty architectures
student      the weights of the demo's student after one epoch (--full-student: after all)

What the digests were taken of is kept in a folder beside the file, by the file's name without its suffix. Every
difference is printed, and the exit code is 1 if there is any. Where all of them are in what a kernel's name gets into,
and none in a nameless library, names are all that differs.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from benchmarks.demo import EPOCHS
from benchmarks.fingerprinting import digests, networks
from benchmarks.fingerprinting.comparing import Difference, differences
from benchmarks.fingerprinting.inspections import SPECS, inspection_fingerprints
from benchmarks.fingerprinting.libraries import library_fingerprint
from benchmarks.fingerprinting.student import THREADS, student_fingerprint

PARTS = ("libraries", "inspections", "student")
_PACKAGES = ("torch", "torchvision", "timm", "onnx", "onnxscript", "onnxsim", "onnxruntime", "apache-tvm", "numpy")


def conditions() -> dict[str, Any]:
    """What fingerprints depend on besides the project's code."""
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "threads": THREADS,
        "packages": {package: version(package) for package in _PACKAGES},
    }


def fingerprints(options: argparse.Namespace, side: Path) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every fact that is asked for, with the path to it."""
    if "inspections" in options.parts:
        for spec, digest in inspection_fingerprints(SPECS[: options.models], side / "inspections"):
            yield ("inspections", spec), digest
    if "student" in options.parts:
        for epochs in (1, EPOCHS) if options.full_student else (1,):
            name = f"epochs-{epochs}"
            yield ("student", name), student_fingerprint(epochs, side / f"student-{name}")
    if "libraries" in options.parts:
        yield from _libraries(options, side / "libraries")


def _libraries(options: argparse.Namespace, side: Path) -> Iterator[tuple[tuple[str, ...], Any]]:
    with tempfile.TemporaryDirectory() as place:
        for net in options.nets:
            onnx = networks.exported(net, Path(place))
            yield ("libraries", net, "onnx"), {"sha256": digests.of_file(onnx)}
            for target in options.targets:
                for runtime in ("vm", "none") if net in networks.WITHOUT_RUNTIME else ("vm",):
                    build = f"{target}-{runtime}"
                    yield ("libraries", net, build), library_fingerprint(onnx, target, runtime, side / net / build)


def _put(found: dict[str, Any], path: tuple[str, ...], fact: Any) -> None:
    for key in path[:-1]:
        found = found.setdefault(key, {})
    found[path[-1]] = fact


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--nets", nargs="+", choices=networks.NAMES, default=networks.NAMES)
    parser.add_argument("--targets", nargs="+", default=["host", "rpi4"])
    parser.add_argument("--models", type=int, default=len(SPECS), help="how many architectures are inspected")
    parser.add_argument("--full-student", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("fingerprints.json"))
    parser.add_argument("--against", type=Path, help="fingerprints made before, to be compared with")
    parser.add_argument("--json", action="store_true", help="print the fingerprints, too")
    return parser.parse_args()


def main() -> int:
    """Write the fingerprints asked for, and tell how they differ from earlier ones."""
    options = _options()
    before = json.loads(options.against.read_text()) if options.against else None
    torch.set_num_threads(THREADS)
    found: dict[str, Any] = {"conditions": conditions()}
    started = time.monotonic()
    for path, fact in fingerprints(options, options.out.with_suffix("")):
        _put(found, path, fact)
        options.out.write_text(json.dumps(found, indent=1))
        print(f"{time.monotonic() - started:6.0f} s  {' '.join(path)}", file=sys.stderr)
    if options.json:
        print(json.dumps(found, indent=1))
    return 0 if before is None else _report(differences(before, found), sys.stderr if options.json else sys.stdout)


def _report(changed: list[Difference], stream: TextIO) -> int:
    for difference in changed:
        print(difference, file=stream)
    named = sum(difference.in_names for difference in changed)
    print(f"{len(changed)} differences, {named} of them where a kernel's name gets in", file=stream)
    return int(bool(changed))


if __name__ == "__main__":
    sys.exit(main())
