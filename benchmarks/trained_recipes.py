"""What a trained recipe makes of well-known networks: where it starts, where it ends, and what it leaves, with reasons.

    python -m benchmarks.trained_recipes [--recipe migrate] [--json] [--only GLOB] [--pixels 64] [--steps 2]

Random weights, batch norms with random statistics, small images and a step or two: this says that the graph starts as
the teacher, folds into a plain one and agrees with what was trained, and nothing about accuracy.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import nn

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import rdpass
from benchmarks.exact_recipes import seasoned
from benchmarks.iresnet import iresnet
from benchmarks.research.small_resnets import small_resnet
from benchmarks.rrdb import rrdb_net
from rdpass.capture.torchvision_import import prepare_torchvision
from rdpass.core.errors import RdpassError
from rdpass.passes.analysis.shortcuts.check_plain import find_not_plain
from rdpass.sources.models import load_model
from rdpass.training.config import DistillConfig
from rdpass.training.losses import relative_distance

PIXELS, FACE, BATCH = 64, 112, 4
SPECS = (
    "torchvision:resnet18", "torchvision:mobilenet_v3_small", "timm:resnet26d", "timm:tinynet_e", "timm:ghostnet_050",
    "torchvision:regnet_x_400mf", "torchvision:regnet_y_400mf", "timm:regnetz_005", "torchvision:mobilenet_v2",
    "timm:convnext_atto", "timm:efficientnet_lite0", "timm:repvgg_a0", "timm:mnasnet_small", "timm:seresnext26t_32x4d",
    "timm:ecaresnet26t", "timm:skresnet18", "timm:resnest14d", "timm:rexnet_100", "timm:semnasnet_075",
    "torchvision:lraspp_mobilenet_v3_large", "timm:efficientnet_b0", "timm:tf_efficientnetv2_b0", "timm:dla34",
    "timm:hrnet_w18_small", "timm:mobileone_s0", "timm:poolformer_s12", "timm:nf_regnet_b0", "timm:gernet_s",
    "timm:selecsls42b", "torchvision:resnet50", "torchvision:resnext50_32x4d", "timm:resnetv2_50",
    "timm:res2net50_14w_8s", "timm:seresnet50", "timm:cspdarknet53",
)  # fmt: skip
OWN: dict[str, tuple[Callable[[], nn.Module] | None, tuple[int, ...]]] = {
    "iresnet18": (iresnet, (3, FACE, FACE)),
    "rrdb": (rrdb_net, (3, 16, 16)),
    "wide resnet of 14": (lambda: small_resnet("basic", 2, width=64), (1, 14, 14)),
    "resnet56": (lambda: small_resnet("basic", 9), (1, 14, 14)),
    "mobilenet of 38": (lambda: small_resnet("inverted", 4), (1, 14, 14)),
    "pre-activation of 32": (lambda: small_resnet("preactivation", 5), (1, 14, 14)),
}


def convert(name: str, recipe: str, pixels: int, steps: int, clip: float | None) -> dict[str, Any]:
    """One network through one recipe, as a row; what goes wrong is part of the row."""
    torch.manual_seed(0)
    build, shape = OWN.get(name, (None, (3, pixels, pixels)))
    model = seasoned(build() if build is not None else load_model(name)[0])
    data = [torch.randn(BATCH, *shape) for _ in range(steps)]
    config = DistillConfig(epochs=1, lr=1e-3, clip=clip)
    started = time.process_time()
    row: dict[str, Any] = {"network": name, "recipe": recipe}
    try:
        result = rdpass.convert(
            model, data[0][:1], recipe=recipe, train=data, distance=relative_distance, config=config,
            show_progress=False,
        )  # fmt: skip
    except RdpassError as error:
        return {**row, "error": f"{type(error).__name__}: {error}"}
    gates = {gate.name: gate.error for gate in result.gates}
    assert isinstance(result.student, torch.fx.GraphModule)
    left = find_not_plain(result.student)
    return {
        **row,
        "shortcuts": len(result.outcomes),
        **Counter(outcome.how for outcome in result.outcomes),
        "hows": Counter(_general(outcome.reason) for outcome in result.outcomes),
        "start": gates.get(f"{recipe}-start"),
        "settled": gates.get("settled"),
        "plain": left is None,
        "not_plain_because": None if left is None else f"{left.add}: {left.reason}",
        "cpu_seconds": round(time.process_time() - started, 1),
    }


def _general(reason: str) -> str:
    """A reason without names of nodes, so that like ones are counted together."""
    return " ".join(word for word in reason.split() if "_" not in word)


def _line(row: dict[str, Any]) -> str:
    if "error" in row:
        return f"| {row['network']} | {row['error']} | | | | | |"
    hows = "; ".join(f"{count} {how}" for how, count in row["hows"].items())
    plain = "yes" if row["plain"] else row["not_plain_because"]
    return (
        f"| {row['network']} | {row['shortcuts']} | {row.get('kept', 0)} | {row['start']:.0e} | {row['settled']:.0e}"
        f" | {plain} | {hows} |"
    )


def main() -> None:
    """A row per network, as a table or as JSON lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recipe", default="migrate")
    parser.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    parser.add_argument("--only", default="*", help="a glob on the networks' names")
    parser.add_argument("--pixels", type=int, default=64, help="a side of the image, for networks of any size")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--clip", type=float, help="the longest gradient; random weights may have endless ones")
    parser.add_argument("--share", default="0/1", help="1/3 is the second of three parts of the networks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    prepare_torchvision()
    if not options.json:
        print("| network | shortcuts | kept | start | settled | plain | how |\n|---|---|---|---|---|---|---|")
    part, parts = map(int, options.share.split("/"))
    for name in (*OWN, *SPECS)[part::parts]:
        if fnmatchcase(name, options.only):
            row = convert(name, options.recipe, options.pixels, options.steps, options.clip)
            print(json.dumps(row) if options.json else _line(row), flush=True)


if __name__ == "__main__":
    main()
