"""``migrate``: shortcuts fade in training while foldable identities round the single convolutions take over."""

from __future__ import annotations

from rdpass.core.plan import Plan, Traced
from rdpass.recipes.fading import remove_by_fading
from rdpass.recipes.recipe import Recipe, Removal
from rdpass.training.request import Request


def migrate(teacher: Traced, plan: Plan, request: Request) -> Removal:
    """A strictly plain student, distilled from ``teacher`` on ``request.train``.

    A block of equal widths gets an identity round each convolution, one with other widths inside (bottleneck, inverted
    residual, pre-activation) a stream of its shortcut's principal components through all of them; a shortcut that no
    branch fits fades all the same, as under ``anneal``. It starts equal to the teacher and ends equal to its folded
    form; both are checked.

    Raises:
        ParityError: one of the two checks failed.
        DivergedError: the data or the loss were not usable.
    """
    return remove_by_fading("migrate", teacher, plan, request, takes_over=True)


MIGRATE = Recipe(
    "migrate", needs_data=True, remove=migrate, defaults={"lr": 0.04, "paths": {"mixed": True}}, merges_pairs=True
)
