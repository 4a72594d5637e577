"""The residual network pruned to what the plain one takes, then distilled from the whole one.

torch-pruning takes the channels whose weights are smallest, the same share of every group of layers that depend on each
other (arXiv 2301.12900); the share is the least that meets the target.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from benchmarks.research.arms.arm import Footprint, Result
from benchmarks.research.arms.bench import Bench
from benchmarks.research.arms.distilled import distilled
from benchmarks.research.arms.footprint import footprint_of, plain_footprint
from rdpass.core.errors import ConfigError

SHARES = 64  # tried from 0 to 63/64 of the channels


@dataclass(frozen=True)
class PrunedArm:
    """``settings``: ``to``, the field of ``Footprint`` in which it may not exceed the plain network, and ``lr``."""

    name: str
    settings: Mapping[str, Any]
    recipe: str = field(default="prune")

    def run(self, bench: Bench) -> Result:
        example = bench.image_set.example
        goal = getattr(plain_footprint(bench.net, tuple(example.shape)), self.settings["to"])
        small, found, share = pruned_to(self.settings["to"], goal, bench.teacher, example)
        student = distilled(small, bench, self.settings["lr"])
        return Result(bench.score(student), "residual", found, bench.steps, {"pruned_share": share, "goal": goal})


def pruned_to(measure: str, goal: int, model: nn.Module, example: Tensor) -> tuple[nn.Module, Footprint, float]:
    """The least pruned copy that meets the goal, its footprint, and the share of channels it lost."""
    least, most = 0, SHARES  # of these the first is too little until shown otherwise, the last enough
    whole = footprint_of(model, example)
    if getattr(whole, measure) <= goal:
        return copy.deepcopy(model), whole, 0.0
    best: tuple[nn.Module, Footprint] | None = None
    while most - least > 1:
        middle = (least + most) // 2
        candidate = pruned(model, example, middle / SHARES)
        found = footprint_of(candidate, example)
        if getattr(found, measure) <= goal:
            most, best = middle, (candidate, found)
        else:
            least = middle
    if best is None:
        raise ConfigError(f"no pruning brings {measure} to {goal}")
    return *best, most / SHARES


def pruned(model: nn.Module, example: Tensor, share: float) -> nn.Module:
    """A copy without ``share`` of the channels of every group but the classes.

    Raises:
        ConfigError: torch-pruning is missing.
    """
    try:
        import torch_pruning
    except ImportError as error:
        raise ConfigError(f"this arm needs torch-pruning: pip install 'rdpass[accuracy]' ({error})") from error
    copied = copy.deepcopy(model).eval()
    classes = [module for module in copied.modules() if isinstance(module, nn.Linear)][-1]
    torch_pruning.pruner.BasePruner(
        copied, example, importance=torch_pruning.importance.GroupMagnitudeImportance(p=2), pruning_ratio=share,
        ignored_layers=[classes],
    ).step()  # fmt: skip
    return copied
