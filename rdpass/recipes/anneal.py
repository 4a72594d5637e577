"""``anneal``: every shortcut is multiplied by s, from 1 to 0 over the training, and nothing takes over."""

from __future__ import annotations

from rdpass.core.plan import Plan, Traced
from rdpass.recipes.fading import remove_by_fading
from rdpass.recipes.recipe import Recipe, Removal
from rdpass.training.request import Request


def anneal(teacher: Traced, plan: Plan, request: Request) -> Removal:
    """A strictly plain student that starts equal to ``teacher`` and learns to do without what fades.

    Raises:
        ParityError: it does not start as the teacher, or its folded form is not what was trained.
        DivergedError: the data or the loss were not usable.
    """
    return remove_by_fading("anneal", teacher, plan, request, takes_over=False)


ANNEAL = Recipe(
    "anneal", needs_data=True, remove=anneal, defaults={"lr": 0.1, "paths": {"mixed": True}}, merges_pairs=True
)
