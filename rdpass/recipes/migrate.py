"""``migrate``: shortcuts fade in training while foldable identities round the single convolutions take over."""

from __future__ import annotations

from dataclasses import replace

from rdpass.agreement import check_agreement
from rdpass.knowledge_distillation import KnowledgeDistillation
from rdpass.passes.fx.absorb_padding import absorb_padding
from rdpass.passes.fx.fade_shortcuts import fade_shortcuts
from rdpass.passes.fx.settle_shortcuts import settle_shortcuts
from rdpass.passes.fx.shapes import annotate_shapes
from rdpass.recipes.recipe import Recipe, Removal, Request
from rdpass.staging import Stage, run_stages
from rdpass.training import train
from rdpass.types import Outcome, Plan, Traced

START_TOLERANCE = 1e-5
SETTLE_TOLERANCE = 1e-4


def migrate(teacher: Traced, plan: Plan, request: Request) -> Removal:
    """A strictly plain student, distilled from ``teacher`` on ``request.train``.

    It starts equal to the teacher and ends equal to its folded form; both are checked.

    Raises:
        ParityError: one of the two checks failed.
        DivergedError: the data or the loss were not usable.
    """
    fading = fade_shortcuts(teacher.module, plan.removable)
    annotate_shapes(fading.module, teacher.example)
    start = check_agreement("migrate-start", fading.module.eval(), teacher.module, teacher.example, START_TOLERANCE)
    objective = KnowledgeDistillation(
        fading.module, teacher.module, request.criteria,
        on_progress=lambda progress: fading.set_progress(min(1.0, progress / request.config.fade)),
    )  # fmt: skip
    history = train(objective, request)
    fading.set_progress(1.0)
    fading.module.eval()
    settled = run_stages(
        Traced(fading.module, teacher.example),
        (
            Stage("settle_shortcuts", settle_shortcuts, SETTLE_TOLERANCE),
            Stage("absorb_padding", absorb_padding, START_TOLERANCE),
        ),
    )
    outcomes = tuple(
        Outcome(region.add, "distilled", _taken_over(fading.identities[region.add]))
        if region.add in fading.identities
        else Outcome(region.add, "kept", region.reason)
        for region in plan.regions
    )
    gates = (start, *settled.gates)
    return Removal(replace(settled, gates=()), outcomes, gates, tuple(history))


def _taken_over(identities: int) -> str:
    if not identities:
        return "faded out; no identity fits round the body's layers"
    return f"migrated onto {identities} convolution{'s' if identities > 1 else ''}"


MIGRATE = Recipe("migrate", needs_data=True, remove=migrate)
