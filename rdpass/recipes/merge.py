"""``merge``: parallel linear branches (RepVGG, MobileOne, 1x1 beside the identity) become one convolution. Exact."""

from __future__ import annotations

from rdpass.core.plan import Plan, Traced
from rdpass.recipes.carry import deployed
from rdpass.recipes.exact import remove_shortcuts_exactly
from rdpass.recipes.recipe import Recipe, Removal
from rdpass.training.request import Request


def merge(teacher: Traced, plan: Plan, request: Request) -> Removal:
    """The student that computes exactly what ``teacher`` does, in deploy form, each pair of linear branches in one
    convolution; every other shortcut stays.

    Raises:
        ParityError: teacher and student differ by more than 1e-5 relative.
    """
    return deployed(remove_shortcuts_exactly(teacher, plan, request, ("merge",)))


MERGE = Recipe("merge", needs_data=False, remove=merge)
