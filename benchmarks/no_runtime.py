"""Compare a network as a C library with the same network on TVM's virtual machine; see ``docs/no-runtime.md``.

    python benchmarks/no_runtime.py --net plain18 resnet18 --target rpi4 [--json]

NET is plain18, plain50, resnet18, resnet50 or an .onnx file; TARGET a board that ``rdpass targets`` lists. Both kinds
are built, run on the golden input (under an emulator if need be), and their outputs compared bit by bit.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.networks import NAMES, reference_file
from rdpass.cli.tables import print_table, size
from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError, RdpassError
from rdpass.deploy.bundle.building import Bundle, compile
from rdpass.deploy.bundle.execution import execute
from rdpass.profiling.emulation.plugin import cache_folder
from rdpass.targets.lookup import find_target
from rdpass.targets.toolchain import find_compiler, find_launcher


def report(net: str, target: str, folder: Path) -> dict[str, Any]:
    """All figures of ``net``, as they are printed with ``--json``; both bundles are left in ``folder``."""
    without = compile(_model(net), target, folder / "none.rdp", runtime="none", force=True)
    machine = compile(_model(net), target, folder / "vm.rdp", force=True)
    weights = weight_bytes(without)
    return {
        "net": net,
        "target": target,
        "code_and_data_bytes": loaded_bytes(without, "run") - weights,
        "weight_bytes": weights,
        "arena_bytes": without.manifest.planned_activation_bytes,
        "max_rel_error": without.manifest.gates[-1].error,
        "bit_identical": _outputs(without) == _outputs(machine),
        "vm_code_and_libraries_bytes": sum(loaded_bytes(machine, name) for name in _vm_files(machine)),
        "vm_planned_bytes": machine.manifest.planned_activation_bytes + machine.manifest.planned_workspace_bytes,
    }


def loaded_bytes(bundle: Bundle, name: str) -> int:
    """Text and data of a program or library of the bundle: what is read of it into memory."""
    row = _answer(bundle, "size", str(bundle.folder / name)).splitlines()[1].split()
    return int(row[0]) + int(row[1])


def weight_bytes(bundle: Bundle) -> int:
    """All constants of a C library, with what lies between them."""
    lines = _answer(bundle, "nm", "--print-size", str(bundle.folder / bundle.manifest.library)).splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.endswith(" rdpass_weights"))


def _answer(bundle: Bundle, tool: str, *words: str) -> str:
    command = [find_compiler(find_target(bundle.manifest.target["name"])).tool(tool), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _vm_files(bundle: Bundle) -> list[str]:
    return ["run", *sorted(f"lib/{path.name}" for path in (bundle.folder / "lib").iterdir())]


def _outputs(bundle: Bundle) -> list[bytes]:
    launcher = find_launcher(find_target(bundle.manifest.target["name"]))
    inputs: list[Array] = [np.load(bundle.folder / name) for name in bundle.manifest.golden["inputs"]]
    return [output.tobytes() for output in execute(bundle.folder, bundle.manifest, launcher, inputs)]


def _model(net: str) -> Path:
    if net in NAMES:
        return reference_file(net, cache_folder() / "models")
    if not net.endswith(".onnx"):
        raise ConfigError(f"no network is called {net!r}; known are {', '.join(NAMES)}, and .onnx files")
    return Path(net)


def _print(figures: list[dict[str, Any]]) -> None:
    print_table(
        ("network", ">code and data", ">weights", ">arena", ">largest error", "bits", ">runner and TVM"),
        [
            (
                f["net"],
                size(f["code_and_data_bytes"]),
                size(f["weight_bytes"]),
                size(f["arena_bytes"]),
                f"{f['max_rel_error']:.2e}",
                "the same" if f["bit_identical"] else "others",
                size(f["vm_code_and_libraries_bytes"]),
            )
            for f in figures
        ],
    )


def main() -> int:
    """Print the figures of every network asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", nargs="+", default=["plain18"])
    parser.add_argument("--target", default="rpi4")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            figures = [report(net, options.target, Path(folder)) for net in options.net]
    except RdpassError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if options.json:
        print(json.dumps(figures, indent=1))
    else:
        _print(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
