"""Shared by the exact recipes: a student that computes what its teacher does, and how each shortcut went."""

from __future__ import annotations

from dataclasses import replace

from rdpass.core.plan import How, Outcome, Plan, Traced
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.exact.exact_plan import ExactPlan, ExactRecipe
from rdpass.passes.exact.exact_removal import EXACT_RECIPES, ExactChoice, choose_exact, remove_exactly
from rdpass.passes.graph.deploy_form import DEPLOY_FORM
from rdpass.passes.graph.editing import copy_without_weights
from rdpass.passes.graph.pass_manager import Pass, run_passes
from rdpass.recipes.recipe import Removal
from rdpass.training.request import Request

EXACT_TOLERANCE = 1e-5
WENT: dict[ExactRecipe, How] = {"merge": "merged", "carry": "carried"}


def remove_shortcuts_exactly(
    teacher: Traced,
    plan: Plan,
    request: Request,
    recipes: tuple[ExactRecipe, ...] = EXACT_RECIPES,
    dearest: float = float("inf"),
) -> Removal:
    """The student without those of ``plan.removable`` that ``recipes`` take out within ``request.max_macs``.

    The cheapest go first: what counts is the number of shortcuts gone. None may cost more than ``dearest``
    multiply-accumulates. Batch norms stay where they are, but for those that a changed layer absorbs, so that the
    student can be trained further.

    Raises:
        ParityError: teacher and student differ by more than 1e-5 relative.
    """
    absorbed = run_passes(replace(teacher, gates=()), DEPLOY_FORM[:-1])
    budget = macs_of(teacher.module) * request.max_macs
    shell = Traced(copy_without_weights(absorbed.module), teacher.example)
    choice = choose_exact(shell, {region.add for region in plan.removable}, budget, recipes, dearest)
    name = "merge" if recipes == ("merge",) else "carry"
    student = run_passes(absorbed, (Pass(name, lambda module: remove_exactly(module, choice), EXACT_TOLERANCE),))
    return Removal(student, outcomes_of(plan, choice), student.gates)


def outcomes_of(plan: Plan, choice: ExactChoice) -> tuple[Outcome, ...]:
    """The outcome of each region of ``plan``, in its order."""
    gone = {exact.region.add: _gone(exact) for exact, _, _ in choice.plans}
    gone |= {add: Outcome(add, "merged", f"exact, with {outer} round it") for add, outer in choice.inside.items()}
    return tuple(
        gone.get(region.add) or Outcome(region.add, "kept", choice.refused.get(region.add, region.reason))
        for region in plan.regions
    )


def _gone(plan: ExactPlan) -> Outcome:
    return Outcome(plan.region.add, WENT[plan.recipe], f"exact, {plan.extra_macs / 1e6:+.2f} M MACs")
