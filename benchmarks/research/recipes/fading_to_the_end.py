"""The part that the recipes here share: a graph whose shortcuts fade is trained, and folds to what it has become."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rdpass.core.agreement import check_agreement
from rdpass.core.plan import Plan, Region, Traced
from rdpass.passes.distill.calibrate_gates import calibrate_gates
from rdpass.passes.distill.fade_shortcuts import Fading
from rdpass.passes.distill.fold_scales import fold_scales
from rdpass.passes.distill.reparam_fold import fold_branches
from rdpass.passes.graph.annotate import annotate
from rdpass.passes.graph.layers import GainedIdentity
from rdpass.passes.graph.pass_manager import Pass
from rdpass.recipes.finishing import counterpart_of, finished_student, rehearse, removal_of
from rdpass.recipes.fresh_statistics import refresh_statistics
from rdpass.recipes.path_setup import path_objective
from rdpass.recipes.preparation import prepared_teacher
from rdpass.recipes.recipe import Removal
from rdpass.recipes.statistics import first_inputs
from rdpass.training.engine import train
from rdpass.training.request import Request

TOLERANCE = 1e-5


def prepared_for_fading(teacher: Traced) -> Traced:
    """The teacher's graph as ``migrate`` takes it: scales folded, padding inside its convolutions."""
    return prepared_teacher(teacher, Pass("fold_scales", fold_scales, TOLERANCE))


def train_fading(
    fading: Fading,
    prepared: Traced,
    regions: Sequence[Region],
    plan: Plan,
    request: Request,
    follow: Callable[[float], None],
    went: str,
    fixed_gains: bool = False,
) -> Removal:
    """A plain student from ``fading``, which starts equal to ``prepared``.

    Args:
        fading: the graph to be trained.
        prepared: the teacher.
        regions: the shortcuts that fade, as they are in ``prepared``.
        plan, request: as a recipe is given them; the shortcuts are to be gone after ``fade`` of the steps.
        follow: sets the graph to a part of the training that is done, 0 at the start, 1 at the end.
        went: how the shortcuts went, for the record.
        fixed_gains: leave the gains of identities round layers at what they start with.

    Raises:
        ParityError: the student does not start as its teacher, or its folded form is not what was trained.
        DivergedError: the data or the loss were not usable.
    """
    if any(fading.shifts.values()):
        calibrate_gates(fading, next(first_inputs(prepared.module, request, request.config.student.statistics_images)))
    follow(0.0)
    annotate(fading.module, prepared.example)
    start = check_agreement("start", fading.module.eval(), prepared.module, prepared.example, TOLERANCE)

    def listen(progress: float) -> Mapping[str, float]:
        follow(progress)
        return {}

    objective = path_objective(fading.module, prepared, plan, request, {}, listen)
    if fixed_gains:
        for module in fading.module.modules():
            if isinstance(module, GainedIdentity):
                module.requires_grad_(False)
    student, counterpart = Traced(fading.module, prepared.example), counterpart_of(prepared, tuple(regions))
    follow(1.0)
    rehearse(student, (fold_branches,), counterpart, request)
    follow(0.0)
    history = train(objective, request)
    follow(1.0)
    refresh_statistics(fading.module, request, 1 - (request.config.fade or 1.0))
    folded = finished_student(student, (fold_branches,), counterpart)
    told = {region.add: went for region in regions}
    return removal_of(folded, plan, told, gates=(start, *folded.gates), history=tuple(history))
