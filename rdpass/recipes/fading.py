"""Shared by ``migrate`` and ``anneal``: start as the teacher, fade, fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean

from rdpass.core.agreement import check_agreement
from rdpass.core.plan import Plan, Traced
from rdpass.passes.distill.calibrate_gates import calibrate_gates
from rdpass.passes.distill.fade_shortcuts import Fading, fade_shortcuts
from rdpass.passes.distill.fold_scales import fold_scales
from rdpass.passes.distill.reparam_fold import fold_branches
from rdpass.passes.distill.reparam_init import Start, initialise_branches
from rdpass.passes.distill.reparam_plan import Reparam, plan_reparam
from rdpass.passes.graph.annotate import annotate
from rdpass.passes.graph.pass_manager import Pass
from rdpass.recipes.finishing import counterpart_of, finished_student, rehearse, removal_of
from rdpass.recipes.fresh_statistics import refresh_statistics
from rdpass.recipes.pair_merging import fade_pairs, pairs_to_merge
from rdpass.recipes.path_setup import path_objective
from rdpass.recipes.preparation import chosen_regions, prepared_teacher
from rdpass.recipes.recipe import Removal
from rdpass.recipes.statistics import first_inputs
from rdpass.training.config import DistillConfig
from rdpass.training.engine import train
from rdpass.training.request import Request
from rdpass.training.schedules import FadeSchedule
from rdpass.training.selection import share_done

START_TOLERANCE = 1e-5
# Measured (docs/recipes.md): time is better spent on the network as it ends, unless many shortcuts are partly lost, for
# a narrower stream or nothing takes over. Learning to do without these takes longer.
FADE, LONG_FADE = 0.5, 0.75
MANY = 12


def remove_by_fading(name: str, teacher: Traced, plan: Plan, request: Request, takes_over: bool) -> Removal:
    """A student that starts equal to ``teacher``, loses its shortcuts in training and ends as a plain network.

    ``takes_over``: whether identities round the convolutions grow as the shortcuts fade. Both ends are checked.

    Raises:
        ParityError: the student does not start as its teacher, or its folded form is not what was trained.
        DivergedError: the data or the loss were not usable.
    """
    prepared = prepared_teacher(teacher, Pass("fold_scales", fold_scales, START_TOLERANCE))
    regions = chosen_regions(prepared, plan, request)
    planned = [plan_reparam(prepared.module, r, request.config.student.stream != "off") for r in regions]
    refused = {r.add: why for r, why in zip(regions, planned, strict=True) if isinstance(why, str)}
    reparams = [each for each in planned if isinstance(each, Reparam)] if takes_over else []
    plain = counterpart_of(prepared, regions)
    pairs = pairs_to_merge(plain, request)
    fading = fade_shortcuts(prepared.module, regions, _starts(prepared, reparams, request))
    if any(fading.shifts.values()):
        calibrate_gates(fading, next(first_inputs(teacher.module, request, request.config.student.statistics_images)))
    fading = replace(fading, module=pairs.faded(fading.module))
    annotate(fading.module, teacher.example)
    start = check_agreement(f"{name}-start", fading.module.eval(), teacher.module, teacher.example, START_TOLERANCE)
    schedule = FadeSchedule(fades_of(request.config, fading, reparams), request.config.student)
    listener = _FadeListener(fading, schedule)
    objective = path_objective(fading.module, prepared, plan, request, {}, listener)
    student, counterpart, folds = Traced(fading.module, teacher.example), pairs.counterpart(plain), pairs.folds
    listener(1.0)
    rehearse(student, (fold_branches, *folds), counterpart, request)
    listener(0.0)
    history = train(objective, request)
    listener(1.0)
    refresh_statistics(fading.module, request, max(0.0, share_done(history, request.config) - schedule.end))
    folded = finished_student(student, (fold_branches, *folds), counterpart)
    went = {region.add: _went(fading, region.add, takes_over, refused) for region in regions}
    gates = (start, *folded.gates)
    return removal_of(folded, plan, went, gates=gates, history=tuple(history), merging=pairs.merging)


def _starts(teacher: Traced, reparams: Sequence[Reparam], request: Request) -> tuple[Start, ...]:
    options = request.config.student
    basis = "stage" if options.stream == "off" else options.stream
    images = first_inputs(teacher.module, request, options.statistics_images)
    return initialise_branches(teacher.module, reparams, images, basis)


def fades_of(config: DistillConfig, fading: Fading, reparams: Sequence[Reparam]) -> dict[str, float]:
    """The fraction of the training that each shortcut fades over: the one that was set for all, or what suits each."""
    whole = {reparam.region.add for reparam in reparams if reparam.form == "identities"}
    lost = fading.parts.keys() - whole
    suits = LONG_FADE if len(lost) > MANY else FADE
    return {add: config.fade or (suits if add in lost else FADE) for add in fading.parts}


@dataclass(frozen=True)
class _FadeListener:
    """Passes the training's progress on to the shortcuts, and says how far they have faded on the mean: as far as the
    activations between pairs that merge."""

    fading: Fading
    schedule: FadeSchedule

    def __call__(self, progress: float) -> dict[str, float]:
        faded = self.schedule.faded(progress)
        self.fading.set_faded(faded, self.schedule.options.growth)
        on_the_mean = mean(faded.values())
        fade_pairs(self.fading.module, on_the_mean)
        return {"faded": on_the_mean}


def _went(fading: Fading, add: str, takes_over: bool, refused: dict[str, str]) -> str:
    count = fading.branches[add]
    if count:
        return f"migrated onto {count} convolution{'s' if count > 1 else ''}"
    return f"faded out; {refused[add]}" if takes_over else "faded out"
