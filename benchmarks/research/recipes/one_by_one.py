"""Published relatives of ``migrate``: shortcuts are removed, or shortened, one after another from the input on.

1. *SkipRemover* (Tailor, arXiv 2301.07247): each shortcut is removed at once when its turn comes, in the middle of a
   training that distils from the network with all of them.
2. *SkipShortener* (Tailor): when its turn comes, a shortcut is replaced by shorter ones, each round a single layer
   that keeps the shape of what it reads. Their gains are 1 and stay so. Such a shortcut is linear: it folds.
3. *SkipClip* (RUBICON, bioRxiv 2022.11.20.517297): as SkipRemover, one in every k epochs, with a KL term; made for
   basecallers of one dimension.

They are written from what the papers say they do; no code was looked at. All start as the trained network. Turns have
equal distances over ``fade`` of the steps; k epochs each are n k epochs for n shortcuts, and with fewer epochs than
shortcuts k is a fraction. ``migrate`` differs from SkipShortener in three things: a shortcut fades and its identities
grow instead of being exchanged in one step, their gains are learnt, and where the widths differ (bottlenecks) a stream
through all layers takes over, for which no shortcut round one layer exists.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.research.recipes.fading_to_the_end import prepared_for_fading, train_fading
from rdpass.core.plan import Plan, Traced
from rdpass.passes.distill.fade_shortcuts import fade_shortcuts
from rdpass.passes.distill.reparam_init import initialise_branches
from rdpass.passes.distill.reparam_plan import Reparam, plan_reparam
from rdpass.recipes.catalogue import recipes
from rdpass.recipes.preparation import chosen_regions
from rdpass.recipes.recipe import Recipe, Removal
from rdpass.recipes.statistics import first_inputs
from rdpass.training.request import Request


def gone(adds: Sequence[str], progress: float, span: float) -> dict[str, float]:
    """1.0 for every shortcut whose turn has come, 0.0 for the others: the first leaves at once, the last before
    ``span`` of the training is done.

    Example:
        >>> gone(["a", "b"], progress=0.25, span=1.0)
        {'a': 1.0, 'b': 0.0}
    """
    return {add: float(progress >= span * turn / len(adds)) for turn, add in enumerate(adds)}


def remove_one_by_one(teacher: Traced, plan: Plan, request: Request) -> Removal:
    """A student that loses a shortcut at a time and gets nothing in its place."""
    return _by_turns(teacher, plan, request, shortens=False)


def shorten_one_by_one(teacher: Traced, plan: Plan, request: Request) -> Removal:
    """A student whose shortcuts become identities round single layers, one shortcut at a time."""
    return _by_turns(teacher, plan, request, shortens=True)


def _by_turns(teacher: Traced, plan: Plan, request: Request, shortens: bool) -> Removal:
    prepared = prepared_for_fading(teacher)
    regions = chosen_regions(prepared, plan, request)
    planned = [plan_reparam(prepared.module, region, stream=False) for region in regions] if shortens else []
    fitting = [each for each in planned if isinstance(each, Reparam)]
    images = first_inputs(teacher.module, request, request.config.student.statistics_images)
    fading = fade_shortcuts(prepared.module, regions, initialise_branches(prepared.module, fitting, images))
    span = request.config.fade or 1.0

    def follow(progress: float) -> None:
        started = progress > 0  # the student is the teacher until its first step
        fading.set_faded(gone([*fading.parts], progress, span) if started else 0.0, "linear")

    went = "shortened, then folded" if shortens else "removed when its turn came"
    return train_fading(fading, prepared, regions, plan, request, follow, went, fixed_gains=True)


REMOVER, SHORTENER = "skip-remover", "skip-shortener"
recipes.register(REMOVER)(Recipe(REMOVER, needs_data=True, remove=remove_one_by_one))
recipes.register(SHORTENER)(Recipe(SHORTENER, needs_data=True, remove=shorten_one_by_one))
