"""The whole road on the ResNet-20 of this folder, through the public command line: ``make demo``.

    python -m benchmarks.demo [--epochs 4] [--out demo-out]

Where the cross compiler, the emulator or the aarch64 runtime is missing, it goes on with what can run on this host.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from torch import nn

from benchmarks.fashion_mnist.resnet20 import trained
from rdpass.cli.tables import print_table, size
from rdpass.evaluation import Evaluation, evaluate
from rdpass.sources.models import load_data

MODEL, DATA = "benchmarks.fashion_mnist.resnet20:trained", "benchmarks.fashion_mnist.data:loaders"
BOARD = "rpi4"
NETWORKS = ("teacher", "student", "student-int8")
# A demonstration: mixed paths, a third of the training's time, are left out.
TRAINING = ("--set", "train.paths.mixed=false")


def rdpass(*arguments: str | Path) -> None:
    """Run one command, shown as a user would type it; a failure ends the demo with its exit code."""
    print(f"\n$ rdpass {' '.join(map(str, arguments))}", flush=True)
    done = subprocess.run([sys.executable, "-m", "rdpass", *map(str, arguments)], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def missing_for_board() -> str:
    """What ``rdpass doctor`` finds missing for the board, fetching the runtime libraries; empty if it is complete."""
    fetch = [sys.executable, "-m", "rdpass", "doctor", "--fetch-runtime", BOARD]
    fetched = subprocess.run(fetch, capture_output=True, text=True, check=False)
    if fetched.returncode:
        return fetched.stderr.strip().splitlines()[-1]
    asked = subprocess.run([sys.executable, "-m", "rdpass", "doctor", "--json"], capture_output=True, check=True)
    rows = json.loads(asked.stdout)
    return "; ".join(row["detail"] for row in rows if row["need"].endswith("aarch64") and not row["present"])


def manifest(bundle: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bundle / "manifest.json").read_text())
    return found


def closing_table(out: Path, target: str) -> None:
    """Teacher, student and the student in int8 side by side."""
    record = json.loads((out / "run" / "conversion.json").read_text())
    found = compared(out)
    gaps = [net.differences.get("top-1") for net in found.networks]
    before, after = record["plan"]["forecast"]["model"], record["cost"]
    bundles = [out / f"{net}-{target}.rdp" for net in NETWORKS]
    planned = [size(manifest(bundle)["planned_activation_bytes"]) for bundle in bundles]
    libraries = [size((bundle / "model.so").stat().st_size) for bundle in bundles]
    left = sum(outcome["how"] == "kept" for outcome in record["outcomes"])
    print_table(
        (f"ResNet-20, {target}", ">teacher", ">student", ">student, int8"),
        [
            (f"accuracy in %, {found.images} held-out images", *(str(net.figures["top-1"]) for net in found.networks)),
            ("less the teacher's, image by image", *("" if gap is None else str(gap) for gap in gaps)),
            ("shortcuts", str(len(record["plan"]["regions"])), str(left), str(left)),
            ("parameters", *thrice(f"{count['parameters'] / 1e3:.1f} k" for count in (before, after))),
            ("MACs", *thrice(f"{count['macs'] / 1e6:.2f} M" for count in (before, after))),
            ("planned memory, scratch included", *planned),
            ("model.so", *libraries),
        ],
    )  # fmt: skip


def compared(out: Path) -> Evaluation:
    """Teacher, student and the student in int8 on the same images."""
    data, held_out = load_data(DATA)
    nets: dict[str, nn.Module | Path] = {
        "teacher": trained(), "student": out / "run", "student, int8": out / "student-int8.onnx"
    }  # fmt: skip
    return evaluate(nets, data if held_out is None else held_out, show_progress=False)


def thrice(figures: Iterable[str]) -> tuple[str, str, str]:
    """The teacher's and the student's, which int8 leaves as it is."""
    teacher, student = figures
    return teacher, student, student


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("demo-out"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)  # torch's to itself
    out, started = options.out, time.monotonic()
    rdpass("inspect", MODEL, "--input", "1x1x28x28")
    rdpass("convert", MODEL, "--data", DATA, "--epochs", str(options.epochs), *TRAINING, "-o", out / "run", "--force")
    rdpass("export", out / "run", "-o", out / "student.onnx", "--force")
    rdpass("export", MODEL, "--data", DATA, "-o", out / "teacher.onnx", "--force")
    rdpass("quantize", out / "run", "--data", DATA, "-o", out / "student-int8.onnx", "--force")
    missing = missing_for_board()
    for target in ("host",) if missing else ("host", BOARD):
        for net in NETWORKS:
            if (net, target) != ("teacher", "host") or missing:
                bundle = out / f"{net}-{target}.rdp"
                rdpass("compile", out / f"{net}.onnx", "--target", target, "-o", bundle, "--force")
    rdpass("verify", out / "student-host.rdp")
    if missing:
        print(f"\nnot built for {BOARD}: {missing}")
    else:
        rdpass("verify", out / f"student-{BOARD}.rdp")
        rdpass("verify", out / f"student-int8-{BOARD}.rdp")
    print()
    closing_table(out, "host" if missing else BOARD)
    print(f"done in {time.monotonic() - started:.0f} s; the bundles are in {out}")


if __name__ == "__main__":
    main()
