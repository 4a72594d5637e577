"""``convert``: a model in, its student without shortcuts out; the model itself is never touched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rdpass.capture.trace import Example, trace
from rdpass.core.errors import ConfigError, NothingToConvert, PassError
from rdpass.core.numeric_types import FLOAT32
from rdpass.core.plan import Plan, Traced
from rdpass.inspection import plan_of
from rdpass.passes.analysis.cost import cost_of
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.analysis.shortcuts.find_cuts import find_cuts
from rdpass.recipes.catalogue import find_recipe
from rdpass.recipes.recipe import Recipe, Removal
from rdpass.runs.folder import check_run, drop_training_state, save_run, training_state
from rdpass.runs.result import Conversion
from rdpass.runs.settings import ConvertConfig
from rdpass.training.config import DistillConfig
from rdpass.training.objective import Distance, Loss
from rdpass.training.request import Request
from rdpass.training.world import current_world


def convert(
    model: nn.Module,
    example: Example = None,
    *,
    recipe: str = "auto",
    train: Iterable[Any] | None = None,
    validate: Iterable[Any] | None = None,
    loss: Loss | None = None,
    distance: Distance | None = None,
    max_macs: float = 1.3,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    leaf: Sequence[str] = (),
    config: DistillConfig | None = None,
    out: str | Path | None = None,
    resume: str | None = None,
    force: bool = False,
    show_progress: bool = True,
) -> Conversion:
    """Remove the shortcuts of ``model``: exactly where no data are given, by distillation where they are.

    Args:
        model: any module; copied, never changed.
        example: a tensor or tuple as the model takes it.
        recipe: a name of ``rdpass.recipes.catalogue``: exact without data (``merge``, ``carry``) or trained. ``auto``
            is ``carry`` without data, and with data ``migrate`` round which is merged what merges for nothing.
        train: batches of (inputs, labels), for a recipe that trains.
        validate: batches for an accuracy after each epoch; nothing is picked by it.
        loss: ``loss(outputs, batch)``, the mean over the batch's rows, for a task other than classification; ``batch``
            has ``inputs`` and ``targets``. Default: cross-entropy of logits (N, classes, …) with integer labels.
        distance: ``distance(student_out, teacher_out)`` beside it. Default: tempered KL divergence of logits, or, with
            a ``loss`` of one's own, the relative mean square (``rdpass.training.losses``).
        max_macs: how many multiply-accumulates an exact student may have, as a ratio to the model's.
        only, skip: globs on node names or module paths that select shortcuts.
        leaf: globs on the paths of submodules to keep whole where tracing can't follow them.
        config: training settings.
        out: a folder for the result; a training's state is kept in ``<out>.partial`` until it is done.
        resume: ``"auto"`` goes on from that state where there is one.
        force: replace what lies at ``out``.

    Raises:
        ConfigError: a wrong argument, or an output place that can't be used.
        TraceError: the model can't be turned into a graph.
        NothingToConvert: it has no shortcut that could be removed.
        ParityError: the student is not what it should be equal to.
        DivergedError: training failed on the data.
    """
    chosen = find_recipe(recipe, has_data=train is not None)
    check_run(out, resume, force)
    request = Request(
        only=tuple(only), skip=tuple(skip), max_macs=max_macs, train=train, validate=validate, loss=loss,
        distance=distance, config=chosen.complete(config or DistillConfig()), checkpoint=training_state(out),
        resume=resume == "auto", show_progress=show_progress,
    )  # fmt: skip
    conversion = _converted(model, trace(model, example, leaf), chosen, request, out)
    if out is not None and current_world().is_first:
        _save(conversion, Path(out), request, tuple(leaf), force)
    return conversion


def _converted(
    model: nn.Module, traced: Traced, chosen: Recipe, request: Request, out: str | Path | None
) -> Conversion:
    _check_precision(traced)
    plan = plan_of(traced, request.only, request.skip)
    if not plan.removable:
        raise NothingToConvert(f"{type(model).__name__} has no shortcut to remove: {_why(plan)}")
    if not request.resume:
        drop_training_state(out)
    removal = chosen.remove(traced, plan, request)
    _check_removed(removal)
    return _conversion(model, traced, plan, removal, chosen.name)


def _save(conversion: Conversion, out: Path, request: Request, leaf: tuple[str, ...], force: bool) -> None:
    settings = ConvertConfig(
        recipe=conversion.recipe, max_macs=request.max_macs, only=request.only, skip=request.skip, leaf=leaf,
        train=request.config,
    )  # fmt: skip
    save_run(conversion, out, settings, force)


def _check_precision(traced: Traced) -> None:
    halves = {p.dtype for p in traced.module.parameters() if p.dtype in (torch.float16, torch.bfloat16)}
    if halves:
        raise ConfigError(
            f"the model's parameters are {', '.join(map(str, halves))}: too coarse to fold and compare; give it and the"
            f" example in {FLOAT32} (model.float())"
        )


def _conversion(model: nn.Module, traced: Traced, plan: Plan, removal: Removal, recipe: str) -> Conversion:
    student = removal.student.module.eval()
    return Conversion(
        teacher=model,
        student=student,
        plan=plan,
        cuts=find_cuts(traced.module, plan.regions),
        outcomes=removal.outcomes,
        cost=cost_of(student),
        gates=(*traced.gates, *removal.gates),
        history=removal.history,
        example=traced.example,
        recipe=recipe,
    )


def _check_removed(removal: Removal) -> None:
    """The census itself must find no add any more that the recipe says it removed."""
    regions, skipped = take_census(removal.student)
    left = {region.add for region in regions} | {other.add for other in skipped}
    still = [outcome.add for outcome in removal.outcomes if outcome.how != "kept" and outcome.add in left]
    if still:
        raise PassError(f"adds that were to be removed are still there: {', '.join(still)}")


def _why(plan: Plan) -> str:
    kept = [f"{region.add} ({region.reason})" for region in plan.regions]
    skipped = [f"{skipped.add} ({skipped.reason})" for skipped in plan.skipped]
    listed = kept + skipped
    return "; ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "") or "it adds nothing"
