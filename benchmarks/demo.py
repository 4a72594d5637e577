"""The whole road on the bottleneck ResNet of this folder, through the public command line: ``make demo``.

    python -m benchmarks.demo [--epochs 4] [--out demo-out]

It ends with one table: what the network costs on two boards as it is, without shortcuts, and so in int8, with its
accuracy; and what a ResNet-50 at 224 pixels would cost, which is not trained here. Where the cross compiler, the
emulator or the aarch64 runtime is missing, it goes on with what can run on this host.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from torch import nn

from benchmarks.fashion_mnist.bottleneck20 import trained
from benchmarks.networks import reference_network
from rdpass.capture.trace import trace
from rdpass.cli.tables import print_table, size
from rdpass.core.numeric_types import BYTES, SINGLE, Precision
from rdpass.core.plan import Choice
from rdpass.core.printable import three_figures
from rdpass.evaluation import Evaluated, Evaluation, evaluate
from rdpass.inspection import plan_of
from rdpass.kernels.builder.function import written_once
from rdpass.onnx.export import draft_onnx
from rdpass.onnx.source import OnnxSource, read_onnx
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.profiling.account.choices import estimate
from rdpass.sources.models import load_data
from rdpass.targets.lookup import find_target

MODEL, DATA = "benchmarks.fashion_mnist.bottleneck20:trained", "benchmarks.fashion_mnist.data:loaders"
BOARD, BOARDS = "rpi4", ("rpi4", "rpi5")
LARGE = "resnet50"
NETWORKS = ("as it is", "plain", "plain, int8")
PRECISIONS: tuple[Precision, ...] = (SINGLE, SINGLE, BYTES)
EPOCHS = 4
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


def closing_table(out: Path) -> None:
    """Each network's accuracy, and what it costs on the boards by the kernels that would be compiled for them."""
    found = compared(out)
    small = costs([read_onnx(out / f"{net}.onnx") for net in ("teacher", "student", "student-int8")])
    large = costs(large_networks())
    boards = [column for board in BOARDS for column in (f">ms, {board}", f">peak, {board}")]
    columns = ("one inference", ">accuracy in %", ">from the model's", *boards, ">weights")
    blank = [""] * (len(columns) - 1)
    print_table(
        columns,
        [
            ("20 layers of bottlenecks, 28 px", *blank),
            *rows(small, found.networks),
            ("ResNet-50, 224 px", *blank),
            *rows(large, ()),
        ],
    )
    print(
        f"Accuracy on {found.images} held-out images. Times on one core, peak and weights are estimated from the"
        " kernels that are compiled;\nthe ResNet-50's weights are random, for what it costs does not depend on them."
    )


def rows(costs: Sequence[Mapping[str, Choice]], scores: Sequence[Evaluated]) -> Iterator[tuple[str, ...]]:
    """One row for each network, a cost's difference from the first one's in brackets."""
    for index, cost in enumerate(costs):
        found = scores[index] if scores else None
        boards = (
            cell
            for board in BOARDS
            for cell in (
                f"{three_figures(cost[board].ms)}{change(cost[board].ms, costs[0][board].ms)}",
                size(cost[board].peak_bytes) + change(cost[board].peak_bytes, costs[0][board].peak_bytes),
            )
        )
        yield (
            f"  {NETWORKS[index]}",
            str(found.figures["top-1"]) if found else "not trained",
            str(found.differences.get("top-1", "")) if found else "",
            *boards,
            size(cost[BOARD].weight_bytes),
        )


def change(now: float, before: float) -> str:
    """A difference in brackets, (-48 %); nothing where both are the same."""
    return "" if now == before else f" ({100 * (now / before - 1):+.0f} %)"


def costs(networks: Sequence[OnnxSource]) -> list[dict[str, Choice]]:
    """What each of ``NETWORKS`` costs on each board; a file in float that is to be int8 is quantised for it."""
    found: list[dict[str, Choice]] = [{} for _ in NETWORKS]
    with written_once():
        for board in BOARDS:
            for name, source, precision, of_network in zip(NETWORKS, networks, PRECISIONS, found, strict=True):
                of_network[board] = estimate(name, source, find_target(board), precision)
    return found


def large_networks() -> tuple[OnnxSource, OnnxSource, OnnxSource]:
    """A network that is too large to train here, as it is and plain, the latter twice."""
    network, example = reference_network(LARGE)
    traced = trace(network, example)
    plain = read_onnx(draft_onnx(remove_shortcuts(traced.module, plan_of(traced).removable), traced.example))
    return read_onnx(draft_onnx(traced.module, traced.example)), plain, plain


def compared(out: Path) -> Evaluation:
    """Model, student and the student in int8 on the same images."""
    data, held_out = load_data(DATA)
    files: tuple[nn.Module | Path, ...] = (trained(), out / "run", out / "student-int8.onnx")
    return evaluate(
        dict(zip(NETWORKS, files, strict=True)), data if held_out is None else held_out, show_progress=False
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path, default=Path("demo-out"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)  # torch's to itself
    out, started = options.out, time.monotonic()
    rdpass("inspect", MODEL, "--input", "1x1x28x28", "--target", BOARD)
    rdpass("convert", MODEL, "--data", DATA, "--epochs", str(options.epochs), *TRAINING, "-o", out / "run", "--force")
    rdpass("export", MODEL, "--data", DATA, "-o", out / "teacher.onnx", "--force")
    rdpass("export", out / "run", "-o", out / "student.onnx", "--force")
    rdpass("quantize", out / "run", "--data", DATA, "-o", out / "student-int8.onnx", "--force")
    missing = missing_for_board()
    target = "host" if missing else BOARD
    for net in ("student", "student-int8"):
        bundle = out / f"{net}-{target}.rdp"
        rdpass("compile", out / f"{net}.onnx", "--target", target, "-o", bundle, "--force")
        rdpass("verify", bundle)
    if missing:
        print(f"\nnot built for {BOARD}: {missing}")
    print()
    closing_table(out)
    print(f"done in {time.monotonic() - started:.0f} s; the bundles are in {out}")


if __name__ == "__main__":
    main()
