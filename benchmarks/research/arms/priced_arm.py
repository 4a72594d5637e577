"""A network and what it costs on a board: accuracy in float32 and in int8, and what either is estimated to take.

Int8 is made by rounding, as ``rdpass.quantize`` does it unasked; no step of training is added. Costs are those that
``rdpass inspect`` and ``rdpass fit`` go by, at the resolution that the network is trained for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.fx import GraphModule

from benchmarks.research.arms.arm import Made, Maker, Result, Settings
from benchmarks.research.arms.bench import Bench
from benchmarks.research.arms.cured_arm import rounded
from benchmarks.research.arms.deployed import deployed
from benchmarks.research.arms.footprint import footprint_of
from benchmarks.research.arms.quantised_arm import accuracy_of
from rdpass.core.errors import ConfigError
from rdpass.core.numeric_types import BYTES, SINGLE

BOARDS = ("rpi4", "rpi5")
KEPT = ("ms", "peak_bytes", "dram_bytes", "weight_bytes")  # of a ``Choice``


@dataclass(frozen=True)
class PricedArm:
    """``of`` makes the network, and names the arm."""

    of: Maker
    recipe: str = field(default="priced")

    @property
    def name(self) -> str:
        return self.of.name

    @property
    def settings(self) -> Settings:
        return {"of": {"recipe": self.of.recipe, "settings": self.of.settings}, "boards": BOARDS, "int8": "outputs"}

    def run(self, bench: Bench) -> Result:
        made = self.of.make(bench)
        facts = {"costs": costs_of(made.network, bench), **accuracies_in_int8(made.network, bench), **made.facts}
        footprint = footprint_of(made.network, bench.image_set.example)
        return Result(bench.score(made.network), made.form, footprint, made.steps, facts)


@dataclass(frozen=True)
class AsItIs:
    """The teacher; nothing is done to it."""

    name: str = "as it is"
    recipe: str = "keep"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def make(self, bench: Bench) -> Made:
        return Made(bench.teacher, "residual", 0)


Costs = dict[str, dict[str, dict[str, float]]]
_KNOWN: dict[str, Costs] = {}  # by what the layers are: of several seeds many networks differ in their weights alone


def costs_of(network: nn.Module, bench: Bench) -> Costs:
    """By board and precision: milliseconds, and bytes at the peak, from memory, and of weights; estimated.

    Raises:
        ConfigError: a cost can't be estimated, and why.
    """
    example = bench.image_set.example
    graph = deployed(network, example)
    layers = f"{graph.code}{[*graph.named_modules()]}{tuple(example.shape)}"
    if layers not in _KNOWN:
        _KNOWN[layers] = _estimated(graph, example)
    return _KNOWN[layers]


def _estimated(graph: GraphModule, example: Tensor) -> Costs:
    # Here, so that a machine that trains other arms needs neither TVM nor ONNX.
    from rdpass.profiling.account.choices import estimate_networks
    from rdpass.targets.lookup import find_target

    found: Costs = {}
    for board in BOARDS:
        choices, skipped = estimate_networks({"network": graph}, (example,), find_target(board), (SINGLE, BYTES))
        if skipped:
            raise ConfigError(f"{board}: {skipped[0].add}: {skipped[0].reason}")
        told = {choice.precision: asdict(choice) for choice in choices}
        found[board] = {name: {key: round(costs[key], 4) for key in KEPT} for name, costs in told.items()}
    return found


def accuracies_in_int8(network: nn.Module, bench: Bench) -> dict[str, Any]:
    """Per cent of validation and test images that are right in int8, and how it was calibrated."""
    held = [part.on("cpu") for part in (bench.image_set.validation, bench.image_set.test)]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "int8.onnx"
        facts = rounded(network, bench, "outputs", place)
        validation, test = (round(accuracy_of(place, part), 2) for part in held)
    return {"int8_validation": validation, "int8_accuracy": test, **facts}
