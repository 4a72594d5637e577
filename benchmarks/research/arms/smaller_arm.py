"""A smaller residual network that takes no more than the plain one, distilled from the large one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.research.arms.arm import Footprint, Made, Result
from benchmarks.research.arms.bench import Bench
from benchmarks.research.arms.distilled import distilled
from benchmarks.research.arms.footprint import footprint_of, plain_footprint
from benchmarks.research.networks import LAYERS, Net
from rdpass.core.errors import ConfigError


@dataclass(frozen=True)
class SmallerArm:
    """``settings``: ``to``, the field of ``Footprint`` to stay within; ``by`` what: ``width`` or ``depth``; ``lr``."""

    name: str
    settings: Mapping[str, Any]
    recipe: str = field(default="smaller")

    def run(self, bench: Bench) -> Result:
        made = self.make(bench)
        found = footprint_of(made.network, bench.image_set.example)
        return Result(bench.score(made.network), made.form, found, made.steps, made.facts)

    def make(self, bench: Bench) -> Made:
        example = bench.image_set.example
        goal = getattr(plain_footprint(bench.net, tuple(example.shape)), self.settings["to"])
        net = self._largest(bench, goal)
        fresh = net.build(example.shape[1], bench.image_set.classes, bench.seed)
        student = distilled(fresh, bench, self.settings["lr"])
        return Made(student, "residual", bench.steps, {"student_net": net.name, "goal": goal})

    def _largest(self, bench: Bench, goal: int) -> Net:
        example = bench.image_set.example
        for net in smaller_nets(bench.net, self.settings["by"]):
            found: Footprint = footprint_of(net.build(example.shape[1]).eval(), example)
            if getattr(found, self.settings["to"]) <= goal:
                return net
        raise ConfigError(f"no net smaller than {bench.net.name} by {self.settings['by']} fits {goal}")


def smaller_nets(net: Net, by: str) -> Iterator[Net]:
    """From the net itself down to the smallest."""
    if by == "width":
        yield from (replace(net, width=width) for width in range(net.width, 0, -1))
    else:
        yield from (replace(net, depth=depth) for depth in range(net.depth, 1 + LAYERS[net.block], -LAYERS[net.block]))
