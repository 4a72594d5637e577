"""``auto``: exact where that is free, then the best recipe for what is left.

Without data that is ``carry``: it merges, and carries within ``max_macs``. With data a trained recipe takes the
shortcuts, and what merges for nothing (parallel linear branches) is merged round it:

1. Branches inside the body of another shortcut are merged first, for a trained recipe works on chains.
2. All others are trained as they are, with their batch norms, and merged at the end (RepVGG, arXiv 2101.03697, gains
   by just that). Where nothing else is left, nothing is trained.

A shortcut that would have to be carried is trained even where the budget would allow it: carried channels make every
layer of a block wider, and a strictly plain network is what data are given for.
"""

from __future__ import annotations

from dataclasses import replace

from rdpass.core.plan import Merging, Plan, Region, Skipped, Traced
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.graph.deploy_form import DEPLOY_FORM
from rdpass.passes.graph.pass_manager import run_passes
from rdpass.recipes.carry import deployed
from rdpass.recipes.exact import remove_shortcuts_exactly
from rdpass.recipes.pricing import price
from rdpass.recipes.recipe import Recipe, Removal
from rdpass.training.request import Request

LATER = "merged after training"
UNTRAINED = "every shortcut merged exactly, so nothing was trained, and an activation leaves in a training alone"


def merging_for_free(trained: Recipe) -> Recipe:
    """``trained``, with parallel linear branches merged exactly before and after it."""
    return replace(trained, remove=lambda teacher, plan, request: _remove(trained, teacher, plan, request))


def _remove(trained: Recipe, teacher: Traced, plan: Plan, request: Request) -> Removal:
    prices = price(teacher, plan.removable)
    free = {add for add, found in prices.items() if found.recipe == "merge" and found.extra_macs <= 0}
    first = free & _inside_of_others(plan, free)
    before = remove_shortcuts_exactly(teacher, _only(plan, first), request, ("merge",), dearest=0)
    changed = _seen_anew(plan, before.student) if first else plan
    training = _without(changed, free)
    if training.removable:
        during = trained.remove(before.student, training, _seen_merged(request, plan, free - first))
    else:
        merging = Merging((), (Skipped("all pairs", UNTRAINED),)) if request.config.student.merge_pairs else None
        during = Removal(run_passes(replace(before.student, gates=()), DEPLOY_FORM[:-1]), (), (), merging=merging)
    after = _merged(during.student, plan, free - first, request)
    went = {outcome.add: outcome for outcome in during.outcomes}
    went |= {outcome.add: outcome for each in (before, after) for outcome in each.outcomes if outcome.how == "merged"}
    went |= {outcome.add: outcome for outcome in after.outcomes if outcome.add not in went}
    return Removal(
        after.student,
        tuple(went[region.add] for region in plan.regions),
        (*before.gates, *during.gates, *after.gates),
        during.history,
        merging=during.merging,
    )


def _merged(student: Traced, plan: Plan, adds: set[str], request: Request) -> Removal:
    rest = _only(_seen_anew(plan, student), adds)
    return deployed(remove_shortcuts_exactly(student, rest, request, ("merge",), dearest=0))


def _seen_merged(request: Request, plan: Plan, adds: set[str]) -> Request:
    """The request of a recipe whose student is to be merged after it, and is saved so."""
    check = request.check_saved
    if check is None:
        return request
    return replace(request, check_saved=lambda student: check(_merged(student, plan, adds, request).student))


def _inside_of_others(plan: Plan, free: set[str]) -> set[str]:
    """The adds that lie in the body or the shortcut of a region that is not free."""
    others = [region for region in plan.removable if region.add not in free]
    return {name for region in others for name in (*region.body, *region.shortcut)}


def _only(plan: Plan, adds: set[str]) -> Plan:
    return replace(plan, regions=tuple(region if region.add in adds else _kept(region, "") for region in plan.regions))


def _without(plan: Plan, adds: set[str]) -> Plan:
    return replace(
        plan, regions=tuple(_kept(region, LATER) if region.add in adds else region for region in plan.regions)
    )


def _kept(region: Region, reason: str) -> Region:
    return region if region.verdict == "kept" else replace(region, verdict="kept", reason=reason or region.reason)


def _seen_anew(plan: Plan, student: Traced) -> Plan:
    """The plan's regions as they lie in ``student``; those that are gone are left as they were."""
    now = {region.add: region for region in take_census(student)[0]}
    return replace(
        plan,
        regions=tuple(
            replace(now[region.add], verdict=region.verdict, reason=region.reason) if region.add in now else region
            for region in plan.regions
        ),
    )
