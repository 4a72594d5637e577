"""Price the exact removal of each shortcut without building the student."""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.core.plan import Region, Traced
from rdpass.passes.exact.exact_plan import ExactRecipe
from rdpass.passes.exact.exact_removal import choose_exact
from rdpass.passes.graph.absorb_padding import absorb_padding
from rdpass.passes.graph.drop_checks import drop_checks
from rdpass.passes.graph.editing import copy_without_weights


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
    """A price per region, by the name of its add; of a region inside another's body the inner one goes first."""
    adds = {region.add for region in regions if region.verdict == "removable"}
    shell = absorb_padding(drop_checks(copy_without_weights(traced.module)))
    choice = choose_exact(Traced(shell, traced.example), adds)
    found = {
        plan.region.add: Price(plan.recipe, plan.extra_macs, f"exact, {plan.extra_macs / 1e6:+.2f} M MACs")
        for plan, _, _ in choice.plans
    }
    found |= {add: Price("merge", 0, f"exact, with {outer} round it") for add, outer in choice.inside.items()}
    return {
        region.add: found.get(region.add) or Price(None, 0, choice.refused.get(region.add, region.reason))
        for region in regions
    }
