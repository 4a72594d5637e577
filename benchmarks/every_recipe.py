"""A ResNet-56 (Fashion-MNIST) and EfficientNet-Lite0 through every recipe, from Python and from the command line.

    python -m benchmarks.every_recipe [--json] [--only GLOB]

A step or two where a recipe trains: this says that every shortcut goes, or stays with its reason, that the gates are
passed, and that both ways give the same student to the last bit; nothing about accuracy.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import rdpass
from benchmarks.efficientnet_lite0.model import pretrained
from benchmarks.research.small_resnets import Mirrored, small_images, small_resnet
from rdpass.cli.app import run
from rdpass.passes.analysis.shortcuts.check_plain import find_not_plain
from rdpass.recipes.catalogue import AUTO, RECIPES
from rdpass.training.config import DistillConfig

NAMES = (*(recipe.name for recipe in RECIPES), AUTO)
EXACT = tuple(recipe.name for recipe in RECIPES if not recipe.needs_data)
HERE = "benchmarks.every_recipe"
BUDGET = 2.5  # enough for every block of either network

Loaders = tuple[Any, list[tuple[Tensor, Tensor]]]


def resnet56() -> nn.Module:
    torch.manual_seed(0)
    return small_resnet("basic", 9).eval()


def few_pictures() -> Loaders:
    """128 images of Fashion-MNIST to train on, and 100 to measure with."""
    train, held = small_images("basic", 0)
    images, labels = held[0]
    return Mirrored(train.images[:128], train.labels[:128]), [(images[:100], labels[:100])]


def few_photographs() -> Loaders:
    """Noise of a photograph's form: a step needs no more."""
    generator = torch.Generator().manual_seed(0)
    batch = (torch.randn(4, 3, 64, 64, generator=generator), torch.randint(0, 1000, (4,), generator=generator))
    return [batch], [batch]


NETWORKS = {
    "resnet56": (resnet56, f"{HERE}:resnet56", few_pictures, f"{HERE}:few_pictures"),
    "efficientnet_lite0": (pretrained, "benchmarks.efficientnet_lite0.model:pretrained", few_photographs,
                           f"{HERE}:few_photographs"),
}  # fmt: skip


def by_python(network: str, recipe: str) -> tuple[rdpass.Conversion, dict[str, Tensor]]:
    """The conversion, and the student's weights."""
    build, _, data, _ = NETWORKS[network]
    train, held = data()
    trains = recipe not in EXACT
    result = rdpass.convert(
        build(), held[0][0][:1], recipe=recipe, max_macs=BUDGET, train=train if trains else None,
        validate=held if trains else None, config=DistillConfig(epochs=1, lr=1e-3), show_progress=False,
    )  # fmt: skip
    return result, result.student.state_dict()


def by_command(network: str, recipe: str, out: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What ``rdpass convert --json`` prints, and the weights in the folder that it leaves.

    Raises:
        RuntimeError: it did not end with exit code 0.
    """
    _, model, data, loaders = NETWORKS[network]
    command = ["convert", model, "--recipe", recipe, "--max-macs", str(BUDGET), "-o", str(out), "--json"]
    if recipe in EXACT:
        command += ["--input", "x".join(map(str, data()[1][0][0][:1].shape))]
    else:
        command += ["--data", loaders, "--epochs", "1", "--lr", "1e-3"]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()) as errors:
        code = run(command)
    if code:
        raise RuntimeError(f"rdpass {' '.join(command)} ended with {code}: {errors.getvalue()}")
    return json.loads(printed.getvalue()), load_file(out / "student.safetensors")


def compare(network: str, recipe: str) -> dict[str, Any]:
    """One network through one recipe, both ways."""
    started = time.process_time()
    result, weights = by_python(network, recipe)
    with tempfile.TemporaryDirectory() as folder:
        said, saved = by_command(network, recipe, Path(folder) / "run")
    assert isinstance(result.student, torch.fx.GraphModule)
    left = find_not_plain(result.student)
    return {
        "network": network,
        "recipe": recipe,
        "took": said["recipe"],
        **Counter(outcome.how for outcome in result.outcomes),
        "same_outcomes": [outcome["how"] for outcome in said["outcomes"]] == [o.how for o in result.outcomes],
        "same_weights": weights.keys() == saved.keys() and all(torch.equal(weights[k], saved[k]) for k in weights),
        "worst_gate": max(gate.error / gate.tolerance for gate in result.gates),
        "macs": round(result.cost.macs / result.plan.forecast.model.macs, 3),
        "plain": left is None,
        "why": Counter(o.reason for o in result.outcomes if o.how == "kept"),
        "cpu_seconds": round(time.process_time() - started, 1),
    }


def main() -> None:
    """A row per network and recipe, as a table or as JSON lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    parser.add_argument("--only", default="*", help="a glob on NETWORK/RECIPE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.json:
        print("| network | recipe | merged | carried | distilled | kept | MACs | plain | both ways alike |")
        print("|---|---|---|---|---|---|---|---|---|")
    for network in NETWORKS:
        for recipe in NAMES:
            if fnmatchcase(f"{network}/{recipe}", options.only):
                row = compare(network, recipe)
                print(json.dumps(row) if options.json else _line(row), flush=True)


def _line(row: dict[str, Any]) -> str:
    hows = " | ".join(str(row.get(how, 0)) for how in ("merged", "carried", "distilled", "kept"))
    alike = "yes" if row["same_outcomes"] and row["same_weights"] else "NO"
    name = row["recipe"] if row["recipe"] == row["took"] else f"{row['recipe']} ({row['took']})"
    return f"| {row['network']} | {name} | {hows} | x {row['macs']:.3f} | {'yes' if row['plain'] else 'no'} | {alike} |"


if __name__ == "__main__":
    main()
