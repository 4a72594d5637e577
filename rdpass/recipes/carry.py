"""``carry``: exact removal without data, block by block within a budget of multiply-accumulates."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from torch.fx import GraphModule, Node

from rdpass.deploy_form import DEPLOY_FORM
from rdpass.passes.fx.carry_shortcut import CarryPlan, apply_carry, plan_carry
from rdpass.passes.fx.census import take_census
from rdpass.passes.fx.cost import macs_of
from rdpass.passes.fx.editing import tidy
from rdpass.passes.fx.value_range import Range, value_ranges
from rdpass.recipes.recipe import Recipe, Removal, Request
from rdpass.staging import Stage, run_stages
from rdpass.types import How, Outcome, Plan, Region, Traced

EXACT_TOLERANCE = 1e-5


def carry(teacher: Traced, plan: Plan, request: Request) -> Removal:
    """The student that computes exactly what ``teacher`` does, with every shortcut carried that the budget allows.

    The cheapest blocks come first: what counts is the number of shortcuts gone.

    Raises:
        ParityError: teacher and student differ by more than 1e-5 relative.
    """
    deployable = run_stages(replace(teacher, gates=()), DEPLOY_FORM)
    regions, _ = take_census(deployable, request.only, request.skip)
    outcomes: dict[str, Outcome] = {}
    feasible = []
    ranges = value_ranges(deployable.module)
    for region in regions:
        found = _plan(deployable.module, region, ranges)
        if isinstance(found, CarryPlan):
            feasible.append(found)
        else:
            outcomes[region.add] = Outcome(region.add, "kept", found)
    chosen = _within_budget(deployable.module, feasible, macs_of(teacher.module) * request.max_macs, outcomes)
    exact = run_stages(deployable, (Stage("carry", lambda module: _carried(module, chosen), EXACT_TOLERANCE),))
    return Removal(exact, tuple(outcomes[region.add] for region in plan.regions), exact.gates)


def _plan(module: GraphModule, region: Region, ranges: dict[Node, Range]) -> CarryPlan | str:
    if region.verdict == "kept":
        return region.reason
    fork = next(node for node in ranges if node.name == region.fork)
    return plan_carry(module, region, ranges[fork])


def _within_budget(
    module: GraphModule, feasible: list[CarryPlan], budget: float, outcomes: dict[str, Outcome]
) -> list[CarryPlan]:
    macs = macs_of(module)
    chosen = []
    for plan in sorted(feasible, key=lambda plan: plan.extra_macs):
        add = plan.region.add
        if macs + plan.extra_macs > budget:
            outcomes[add] = Outcome(
                add, "kept",
                f"carrying it would cost {plan.extra_macs / 1e6:+.1f} M MACs, over the budget of {budget / 1e6:.1f} M",
            )  # fmt: skip
            continue
        macs += plan.extra_macs
        chosen.append(plan)
        how: How = "merged" if plan.merged else "carried"
        outcomes[add] = Outcome(add, how, f"exact, {plan.extra_macs / 1e6:+.2f} M MACs")
    return chosen


def _carried(module: GraphModule, plans: list[CarryPlan]) -> GraphModule:
    result = deepcopy(module)
    for plan in plans:
        apply_carry(result, plan)
    return tidy(result)


CARRY = Recipe("carry", needs_data=False, remove=carry)
