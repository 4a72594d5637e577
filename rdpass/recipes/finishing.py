"""A trained student becomes the plain network that it equals, and what it has become is held to the promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch.fx import GraphModule

from rdpass.core.agreement import check_agreement
from rdpass.core.comparison import ROUNDINGS, WORST_ROUNDING, own_tolerances
from rdpass.core.errors import DivergedError, ParityError, PassError
from rdpass.core.plan import Outcome, Plan, Region, Traced
from rdpass.core.tensors import tensors_in
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.analysis.shortcuts.check_plain import check_plain, find_not_plain
from rdpass.passes.distill.initialise_student import initialise_student
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.graph.deploy_form import DEPLOY_FORM
from rdpass.passes.graph.double_precision import in_double, in_single, rounding_of
from rdpass.passes.graph.pass_manager import Pass, run_passes
from rdpass.recipes.recipe import Removal
from rdpass.training.generators import kept_generators
from rdpass.training.request import Request

STUDENT_TOLERANCE = 1e-4
EXACT = 1e-9
REMEDY = "its activations have run away: train longer, at a lower rate, or clip the gradient"


def finished_student(
    student: Traced, folds: tuple[Callable[[GraphModule], GraphModule], ...], counterpart: Traced
) -> Traced:
    """The student after the ``folds``, in deploy form, with a gate for each.

    It is folded in double precision, is rounded once, and then compared with what was trained. It is to be as plain as
    ``counterpart``, the teacher with those shortcuts deleted, and to cost the same.

    Raises:
        DivergedError: the student's outputs are not finite.
        ParityError: a pass moved the values, or the student is too ill-conditioned for single precision.
        PassError: something is left in the student that should have folded; the node is named.
    """
    student.module.eval()
    _check_finite(student)
    doubled = in_double(replace(student, gates=()))
    tolerance = EXACT if doubled.module is not student.module else STUDENT_TOLERANCE
    stages = (*(Pass(each.__name__, each, tolerance) for each in folds), *DEPLOY_FORM)
    with own_tolerances():  # the user's is for what float32 makes of it
        folded = run_passes(doubled, stages)
    if doubled.module is not student.module:
        folded = _rounded(folded, student)
    _check_form(folded, counterpart)
    return folded


def rehearse(
    student: Traced, folds: tuple[Callable[[GraphModule], GraphModule], ...], counterpart: Traced, request: Request
) -> None:
    """Fold a copy of ``student`` before it is trained, and see whether the result can be saved.

    The copy's layers are initialised anew: the numbers of a student that has not learnt to do without its shortcuts may
    be beyond all measure. Where those of the copy are not finite either, there is nothing to compare.

    Raises:
        ConfigError: a student of this form can't be saved, or not be read without the model's code.
        PassError: something is left in the student that should have folded.
    """
    if request.check_saved is None:
        return
    with kept_generators():
        torch.manual_seed(request.config.seed)
        fresh = Pass("initialise_student", lambda module: initialise_student(module, "random", ()), None)
        copied = run_passes(replace(student, gates=()), (fresh,))
    copied.module.eval()
    folded = _form_of(copied, (*(Pass(each.__name__, each, None) for each in folds), *DEPLOY_FORM))
    _check_form(folded, counterpart)
    if _is_finite(folded):
        request.check_saved(folded)


def _form_of(traced: Traced, stages: Sequence[Pass]) -> Traced:
    """The graph after the stages, whatever its values: nobody trained it, and they may be beyond all measure."""
    return run_passes(replace(traced, gates=()), [replace(stage, tolerance=None) for stage in stages])


def _check_form(folded: Traced, counterpart: Traced) -> None:
    plain = _form_of(counterpart, DEPLOY_FORM)
    if find_not_plain(plain.module) is None:
        check_plain(folded.module)
    if macs_of(folded.module) != macs_of(plain.module):
        raise PassError(
            f"the student has {macs_of(folded.module)} MACs, the teacher without these shortcuts"
            f" {macs_of(plain.module)}"
        )


def _is_finite(student: Traced) -> bool:
    with torch.no_grad():
        outputs = tensors_in(student.module(*(x.clone() for x in student.example)))
    return all(bool(torch.isfinite(output).all()) for output in outputs if output.is_floating_point())


def _check_finite(student: Traced) -> None:
    if not _is_finite(student):
        raise DivergedError(f"the trained student's outputs are not finite on the example; {REMEDY}")


def _rounded(folded: Traced, student: Traced) -> Traced:
    """The folded student in single precision, held to what the trained one gives there: to ``STUDENT_TOLERANCE`` or,
    where the trained one itself moves with the precision, to ten times as far."""
    rounded = in_single(folded)
    moves = rounding_of(student)
    tolerance = min(max(STUDENT_TOLERANCE, ROUNDINGS * moves), WORST_ROUNDING)
    try:
        gate = check_agreement("settled", rounded.module, student.module, student.example, tolerance)
    except ParityError as error:
        raise ParityError(
            f"{error}. In double precision the two agree: the trained student moves by {moves:.1g} between single"
            f" and double; {REMEDY}"
        ) from error
    return replace(rounded, gates=(*rounded.gates, gate))


def counterpart_of(teacher: Traced, regions: tuple[Region, ...]) -> Traced:
    """The teacher with the shortcuts of ``regions`` deleted: what a student is to look like, whatever its weights."""
    deletion = Pass("remove_shortcuts", lambda module: remove_shortcuts(module, regions), None)
    return run_passes(replace(teacher, gates=()), (deletion,))


def removal_of(student: Traced, plan: Plan, went: Mapping[str, str], **rest: object) -> Removal:
    """The removal that a recipe returns: ``went`` says how each removed shortcut went, the others were kept."""
    outcomes = tuple(
        Outcome(region.add, "distilled", went[region.add])
        if region.add in went
        else Outcome(region.add, "kept", _kept_because(region))
        for region in plan.regions
    )
    return Removal(replace(student, gates=()), outcomes, **rest)  # type: ignore[arg-type]


def _kept_because(region: Region) -> str:
    return region.reason if region.verdict == "kept" else "a projection, kept by keep_projections"
