"""``carry``: exact removal without data, within a budget of multiply-accumulates; merges what can be merged."""

from __future__ import annotations

from dataclasses import replace

from rdpass.core.plan import Plan, Traced
from rdpass.passes.graph.deploy_form import DEPLOY_FORM
from rdpass.passes.graph.pass_manager import run_passes
from rdpass.recipes.exact import remove_shortcuts_exactly
from rdpass.recipes.recipe import Recipe, Removal
from rdpass.training.request import Request


def carry(teacher: Traced, plan: Plan, request: Request) -> Removal:
    """The student that computes exactly what ``teacher`` does, in deploy form, with every shortcut gone that
    ``request.max_macs`` allows: merged where both branches are linear, carried elsewhere.

    Raises:
        ParityError: teacher and student differ by more than 1e-5 relative.
    """
    return deployed(remove_shortcuts_exactly(teacher, plan, request))


def deployed(removal: Removal) -> Removal:
    """The same with the student in deploy form: batch norms folded."""
    student = run_passes(replace(removal.student, gates=()), DEPLOY_FORM[-1:])
    return replace(removal, student=student, gates=(*removal.gates, *student.gates))


CARRY = Recipe("carry", needs_data=False, remove=carry)
