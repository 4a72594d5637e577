"""``keep``: the network as it is, every shortcut kept: a run folder of it, or one that is trained in int8."""

from __future__ import annotations

from dataclasses import replace

from rdpass.core.plan import Outcome, Plan, Traced
from rdpass.passes.graph.deploy_form import DEPLOY_FORM
from rdpass.passes.graph.pass_manager import run_passes
from rdpass.recipes.recipe import Recipe, Removal
from rdpass.training.request import Request


def keep(teacher: Traced, plan: Plan, request: Request) -> Removal:
    """``teacher`` in deploy form: batch norms folded.

    Raises:
        ParityError: the form differs from the teacher by more than its tolerance.
    """
    student = run_passes(replace(teacher, gates=()), DEPLOY_FORM)
    outcomes = tuple(Outcome(region.add, "kept", region.reason) for region in plan.regions)
    return Removal(student, outcomes, student.gates)


KEEP = Recipe("keep", needs_data=False, remove=keep, removes=False)
