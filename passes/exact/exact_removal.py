"""Choose which shortcuts go exactly, and how, on a copy without weights; then change the graph itself.

Round by round, for a shortcut inside another's body goes first: the census of the copy, a plan for each region, the
cheapest first while the budget lasts. What is chosen is applied to the copy, so that the next round sees it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from torch.fx import GraphModule

from rdpass.core.plan import Region, Traced
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.analysis.value_range import Range, value_ranges
from rdpass.passes.exact.carry_shortcut import carry_as_chosen, plan_carry
from rdpass.passes.exact.exact_plan import ExactPlan, ExactRecipe, apply_plan
from rdpass.passes.exact.merge_branches import plan_merge
from rdpass.passes.graph.editing import own_copy, tidy

EXACT_RECIPES: tuple[ExactRecipe, ...] = ("merge", "carry")


@dataclass(frozen=True)
class ExactChoice:
    """The plans in the order in which they apply, with the range of each fork and sum, and why the others are none.

    ``inside``: adds that go because a merged region held them, with the add of that region.
    """

    plans: tuple[tuple[ExactPlan, Range, Range], ...]
    refused: dict[str, str]
    inside: dict[str, str]


def choose_exact(
    shell: Traced,
    adds: Collection[str],
    budget: float = float("inf"),
    recipes: tuple[ExactRecipe, ...] = EXACT_RECIPES,
    dearest: float = float("inf"),
) -> ExactChoice:
    """Choose for the shortcuts at ``adds``.

    Args:
        shell: a ``copy_without_weights`` with shapes annotated and zero padding inside the convolutions; it is used up.
        adds: names of adds that may go.
        budget: multiply-accumulates that the whole graph may have afterwards.
        recipes: what may be used.
        dearest: how many multiply-accumulates more a single one may cost.
    """
    macs = macs_of(shell.module)
    chosen: list[tuple[ExactPlan, Range, Range]] = []
    refused: dict[str, str] = {}
    inside: dict[str, str] = {}
    left = set(adds)
    while True:
        ranges = {node.name: known for node, known in value_ranges(shell.module).items()}
        found, reasons = _plans(shell, left, ranges, recipes)
        refused |= reasons
        before = len(chosen)
        for plan in sorted(found, key=lambda plan: plan.extra_macs):
            add = plan.region.add
            reason = _beyond(plan, macs, budget, dearest)
            if reason:
                refused[add] = reason
                continue
            apply_plan(shell.module, plan, ranges[plan.target])
            chosen.append((plan, ranges[plan.region.fork], ranges[plan.target]))
            macs += plan.extra_macs
            inside |= dict.fromkeys(left.intersection((*plan.region.body, *plan.region.shortcut)), add)
            left -= {add, *inside}
        if len(chosen) == before or not left:
            return ExactChoice(tuple(chosen), {name: refused[name] for name in left if name in refused}, inside)
        tidy(shell.module)


def _plans(
    shell: Traced, adds: Collection[str], ranges: dict[str, Range], recipes: tuple[ExactRecipe, ...]
) -> tuple[list[ExactPlan], dict[str, str]]:
    """Plans that don't meet, and why the others are none; what holds a shortcut that can go waits for a later round."""
    found: dict[str, ExactPlan] = {}
    refused: dict[str, str] = {}
    for region in take_census(shell)[0]:  # in graph order: what lies inside another comes before it
        if region.add not in adds:
            continue
        inner = next((name for name in (*region.body, *region.shortcut) if name in found), None)
        plan = (
            f"{inner}, inside it, stays"
            if inner
            else plan_exact(shell.module, region, ranges[region.fork], recipes)
        )  # fmt: skip
        if isinstance(plan, str):
            refused[region.add] = plan
        else:
            found[region.add] = plan
    return list(found.values()), refused


def plan_exact(
    graph_module: GraphModule, region: Region, fork_range: Range, recipes: tuple[ExactRecipe, ...] = EXACT_RECIPES
) -> ExactPlan | str:
    """The cheaper of the recipes for one region, ``merge`` where it is free. Else the last one's reason."""
    found: list[ExactPlan] = []
    reason = ""
    for recipe in recipes:
        plan = plan_merge(graph_module, region) if recipe == "merge" else plan_carry(graph_module, region, fork_range)
        if isinstance(plan, str):
            reason = plan
        elif recipe == "merge" and plan.extra_macs <= 0:
            return plan
        else:
            found.append(plan)
    return min(found, key=lambda plan: plan.extra_macs) if found else reason


def remove_exactly(graph_module: GraphModule, choice: ExactChoice) -> GraphModule:
    """A copy of the graph without the shortcuts that ``choice`` takes out."""
    result = own_copy(graph_module)
    for plan, fork_range, known in choice.plans:
        made = plan_merge(result, plan.region) if plan.recipe == "merge" else carry_as_chosen(result, plan, fork_range)
        assert isinstance(made, ExactPlan)
        apply_plan(result, made, known)
    return tidy(result)


def _beyond(plan: ExactPlan, macs: float, budget: float, dearest: float) -> str:
    verb = "merging" if plan.recipe == "merge" else "carrying"
    if plan.extra_macs > dearest:
        return f"{verb} it would cost {plan.extra_macs / 1e6:+.1f} M MACs"
    if macs + plan.extra_macs > budget:
        return f"{verb} it would cost {plan.extra_macs / 1e6:+.1f} M MACs, over the budget of {budget / 1e6:.1f} M"
    return ""
