"""What the exact recipes do to well-known networks.

    python benchmarks/exact_recipes.py [--json] [--only GLOB] [--size PIXELS]

Random weights, batch norms with statistics. Each network is converted within the budget of 1.3 times its
multiply-accumulates, and where that keeps something, without one too; the student's outputs are compared with the
model's on inputs it has not seen, of another batch size.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # run as a script
    sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import nn  # noqa: E402

import rdpass  # noqa: E402
from benchmarks.iresnet import iresnet  # noqa: E402
from rdpass.capture.torchvision_import import prepare_torchvision  # noqa: E402
from rdpass.capture.trace import trace  # noqa: E402
from rdpass.core.comparison import relative_error  # noqa: E402
from rdpass.core.errors import NothingToConvert  # noqa: E402
from rdpass.core.tensors import arrays_of  # noqa: E402
from rdpass.recipes.pricing import price  # noqa: E402
from rdpass.sources.models import load_model  # noqa: E402

BUDGETS = (1.3, 1e9)
OVER = "over the budget"
SPECS = (
    "torchvision:resnet18", "torchvision:resnet34", "torchvision:resnet50", "torchvision:resnext50_32x4d",
    "torchvision:regnet_y_400mf", "torchvision:mobilenet_v2", "torchvision:mobilenet_v3_large",
    "timm:efficientnet_lite0", "timm:efficientnet_b0", "timm:resnet50d", "timm:resnetv2_50", "timm:darknet53",
    "timm:repvgg_a0", "timm:mobileone_s0", "timm:fastvit_t8", "timm:rexnet_100", "timm:ghostnet_100",
    "timm:convnext_atto",
)  # fmt: skip
FACE_SIZE = 112  # what IResNet's last linear layer is made for


def main() -> None:
    """A row per network and budget, as a table or as JSON lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    parser.add_argument("--only", default="*", help="a glob on the networks' names")
    parser.add_argument("--size", type=int, default=224, help="pixels of a side; faces have 112 all the same")
    options = parser.parse_args()
    torch.set_num_threads(1)
    prepare_torchvision()
    if not options.json:
        print("| network | budget | adds | merged | carried | kept | MACs | relative error | why kept |")
        print("|---|---|---|---|---|---|---|---|---|")
    for name, make, size in _networks(options.size):
        if fnmatchcase(name, options.only):
            for row in measure(name, make, size):
                print(json.dumps(row) if options.json else _line(row), flush=True)


def _networks(size: int) -> list[tuple[str, Callable[[], nn.Module], int]]:
    named = [(spec, partial(_load, spec), size) for spec in SPECS]
    return [*named, ("iresnet18", iresnet, FACE_SIZE)]


def _load(spec: str) -> nn.Module:
    return load_model(spec)[0]


def measure(name: str, make: Callable[[], nn.Module], size: int) -> list[dict[str, Any]]:
    """The rows of one network."""
    torch.manual_seed(0)
    model = seasoned(make())
    example, unseen = torch.randn(1, 3, size, size), torch.randn(2, 3, size, size)
    seconds = _pricing_seconds(model, example)
    rows: list[dict[str, Any]] = []
    for ratio in BUDGETS:
        if not rows or OVER in rows[-1]["why_kept"]:
            row = _converted(model, example, unseen, ratio)
            rows.append({"network": name, "size": size, "price_seconds": seconds, **row})
    return rows


def seasoned(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features) * 0.1
            module.running_var = torch.rand(module.num_features) + 0.5
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.1)
    return model.eval()


def _pricing_seconds(model: nn.Module, example: torch.Tensor) -> float:
    traced = trace(model, example)
    regions = rdpass.inspect(model, example).regions
    start = time.perf_counter()
    price(traced, regions)
    return round(time.perf_counter() - start, 2)


def _converted(model: nn.Module, example: torch.Tensor, unseen: torch.Tensor, ratio: float) -> dict[str, Any]:
    row: dict[str, Any] = {"budget": ratio if ratio < 1e6 else None}
    try:
        conversion = rdpass.convert(model, example, recipe="carry", max_macs=ratio)
    except NothingToConvert as reason:
        return {**row, "adds": 0, "why_kept": {str(reason): 1}}
    with torch.no_grad():
        wanted, got = arrays_of(model(unseen)), arrays_of(conversion.student(unseen))
    hows = Counter(outcome.how for outcome in conversion.outcomes)
    return {
        **row,
        "adds": len(conversion.outcomes),
        **{how: hows[how] for how in ("merged", "carried", "kept")},
        "macs": round(conversion.cost.macs / conversion.plan.forecast.model.macs, 3),
        "error": max(relative_error(g, w) for g, w in zip(got, wanted, strict=True)),
        "why_kept": Counter(_general(outcome.reason) for outcome in conversion.outcomes if outcome.how == "kept"),
    }


def _general(reason: str) -> str:
    """A reason without the names of nodes and numbers, so that like ones are counted together."""
    if OVER in reason:
        return OVER
    return " ".join(word for word in reason.split() if "_" not in word and not any(c.isdigit() for c in word))


def _line(row: dict[str, Any]) -> str:
    budget = "none" if row["budget"] is None else f"{row['budget']}"
    why = "; ".join(f"{count} x {reason}" for reason, count in row["why_kept"].items())
    if not row["adds"]:
        return f"| {row['network']} | {budget} | 0 | | | | | | {why} |"
    return (
        f"| {row['network']} | {budget} | {row['adds']} | {row['merged']} | {row['carried']} | {row['kept']}"
        f" | x {row['macs']:.3f} | {row['error']:.1e} | {why} |"
    )


if __name__ == "__main__":
    main()
