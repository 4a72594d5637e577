"""What taking each shortcut out exactly would cost, told without building the student."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rdpass.passes.fx.absorb_padding import absorb_padding
from rdpass.passes.fx.carry_shortcut import CarryPlan, plan_carry
from rdpass.passes.fx.census import take_census
from rdpass.passes.fx.fold_batch_norm import fold_batch_norm
from rdpass.passes.fx.value_range import value_ranges
from rdpass.types import Region, Traced

ExactRecipe = Literal["merge", "carry"]


@dataclass(frozen=True)
class Price:
    """The exact recipe that takes one shortcut out, and its multiply-accumulates beyond what the block costs now.

    ``recipe`` is None where no exact recipe covers the block; ``reason`` then says why, and ``extra_macs`` is 0.
    Negative ``extra_macs`` are saved: two branches became one.
    """

    recipe: ExactRecipe | None
    extra_macs: int
    reason: str


def price(traced: Traced, regions: tuple[Region, ...]) -> dict[str, Price]:
    """A price per region, by the name of its add, each as if it were the only one to go."""
    deployed = fold_batch_norm(absorb_padding(traced.module))
    folded = {region.add: region for region in take_census(Traced(deployed, traced.example))[0]}
    ranges = value_ranges(deployed)
    by_name = {node.name: node for node in ranges}
    prices = {}
    for region in regions:
        if region.verdict == "kept" or region.add not in folded:
            prices[region.add] = Price(None, 0, region.reason)
            continue
        here = folded[region.add]
        prices[region.add] = _price(plan_carry(deployed, here, ranges[by_name[here.fork]]))
    return prices


def _price(found: CarryPlan | str) -> Price:
    if isinstance(found, str):
        return Price(None, 0, found)
    return Price("merge" if found.merged else "carry", found.extra_macs, f"exact, {found.extra_macs / 1e6:+.2f} M MACs")
