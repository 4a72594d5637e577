"""``convert``: a model in, its student without shortcuts out; the model itself is never touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from torch import nn
from torch.fx import GraphModule

from rdpass.capture.trace import Example, trace
from rdpass.core.agreement import run_quietly
from rdpass.core.comparison import users_tolerance
from rdpass.core.errors import ConfigError, NothingToConvert, PassError
from rdpass.core.image_settings import settings_of
from rdpass.core.numeric_types import BYTES
from rdpass.core.plan import Plan, Traced
from rdpass.core.tensors import tensors_in
from rdpass.inspection import plan_of
from rdpass.passes.analysis.cost import cost_of, fusion_variants_of
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.analysis.shortcuts.find_cuts import find_cuts
from rdpass.profiling.account.choices import estimate_conversion
from rdpass.recipes.catalogue import RECIPES, find_recipe
from rdpass.recipes.keep import KEEP
from rdpass.recipes.prune import PRUNE
from rdpass.recipes.recipe import Recipe, Removal
from rdpass.report.drawing.page import draw
from rdpass.runs.folder import check_run, drop_training_state, held, save_run, training_state
from rdpass.runs.grouping import Flat, Groups, Output, grouped
from rdpass.runs.rehearsal import rehearse
from rdpass.runs.result import Conversion
from rdpass.runs.settings import ConvertConfig
from rdpass.scoring.held_out import compare_on_held_out
from rdpass.sources.image_loaders import check_labels
from rdpass.targets.lookup import Target, find_target
from rdpass.training.callbacks import check_callbacks
from rdpass.training.config import DistillConfig, with_defaults
from rdpass.training.learning_rate import check_schedule
from rdpass.training.loggers import check_loggers
from rdpass.training.losses import find_distance, find_loss
from rdpass.training.optimiser import check_optimiser
from rdpass.training.request import Budget, Data, Request, Select
from rdpass.training.selection import check_selection
from rdpass.training.world import check_device, current_world, joined_world, own_device


def convert(
    model: nn.Module,
    example: Example = None,
    *,
    recipe: str = "auto",
    select: Select | None = None,
    data: Data | None = None,
    budget: Budget | None = None,
    output: Output | None = None,
    config: DistillConfig | None = None,
    quantize: str | None = None,
    tolerance: float | None = None,
    **flat: Unpack[Flat],
) -> Conversion:
    """Remove the shortcuts of ``model``: exactly where no data are given, by distillation where they are.

    The fields of the groups may be given as keywords of ``convert`` too (``Output.folder`` as ``out``):
    ``convert(model, example, train=loader, out="run")`` is ``convert(model, example, data=Data(train=loader),
    output=Output(folder="run"))``.

    Args:
        model: any module; copied, never changed.
        example: a tensor, or a tuple of them, as the model takes it, the batch in axis 0; figures of cost are for its
            shape. None for a model that was loaded with its example.
        recipe: a name of ``rdpass.registry.recipes``: exact without data (``merge``, ``carry``) or trained. ``auto`` is
            ``carry`` without data, and with data ``migrate`` round which is merged what merges for nothing. ``prune``
            takes channels instead of shortcuts (``config.prune``), and networks without shortcuts too. ``keep``
            leaves the network as it is.
        select: which shortcuts (``only``, ``skip``), and which submodules stay whole (``leaf``); see ``Select``.
        data: what to learn from (``train``, ``validate``, ``teacher``), and what it is measured by (``loss``,
            ``distance``); see ``Data``.
        budget: what a student may cost (``max_macs``); see ``Budget``.
        output: where it is saved and what is shown (``out``, ``resume``, ``force``, ``show_progress``, ``target``,
            ``callbacks``); see
            ``Output``.
        config: training settings; what is left unsaid is the recipe's choice.
        quantize: "int8" trains the student with fake quantisation at the end (``config.quantize``; without epochs it
            is rounded alone) and gives it as QDQ ONNX beside the float one (``Conversion.int8``,
            ``student-int8.onnx``); also where no shortcut leaves.
        tolerance: the largest relative error that every gate in float32 allows, in the place of its own, for a model
            whose numbers float32 does not hold; the gates say that it is the user's.
        **flat: fields of the groups.

    Returns:
        The student beside its teacher, with how each shortcut went.

    Raises:
        ConfigError: a wrong argument, a group and one of its fields at once, or an output place that can't be used.
        TraceError: the model can't be turned into a graph.
        NothingToConvert: it has no shortcut that could be removed, ``quantize`` is None, and the recipe is neither
            ``keep`` nor ``prune``; or, with ``prune``, no channel that could leave.
        ParityError: the student is not what it should be equal to.
        DivergedError: training failed on the data.
        TargetError: no board has the name ``target``.

    Sources: ``merge`` as RepVGG (arXiv 2101.03697); ``carry`` after RMNet (arXiv 2111.00687); ``joint`` is JointRD;
    ``kd`` is Hinton's distillation (arXiv 1503.02531). docs/recipes.md and docs/exact.md say what is ours.

    Example:
        >>> import rdpass
        >>> result = rdpass.convert(model, example, max_macs=9.0)
        >>> [(outcome.add, outcome.how) for outcome in result.outcomes]
        [('add', 'carried'), ('add_1', 'carried')]
        >>> bool((result.student(example) - model(example)).abs().max() < 1e-4)
        True
    """
    groups = grouped(select, data, budget, output, flat)
    check_quantize(quantize, groups.data.train, groups.data.validate)
    chosen = find_recipe(recipe, has_data=groups.data.train is not None)
    if groups.data.teacher is not None and not chosen.needs_data and quantize is None:
        raise ConfigError(f"recipe {chosen.name} trains nothing, so there is nothing that a teacher could teach")
    out, target = groups.output.folder, groups.output.target
    board = find_target(target) if isinstance(target, str) else target
    check_run(out, groups.output.resume, groups.output.force)
    another = groups.data.teacher is not None
    request = _request(groups, completed(chosen, config or DistillConfig(), quantize, another))
    check_device(own_device(request.config.device))
    check_callbacks(request.callbacks)
    if request.train is not None:
        check_optimiser(request.config)
        check_schedule(request.config)
        check_loggers(request.config, out is not None)
        check_selection(request.config, request.validate)
    first = current_world().is_first
    with ExitStack() as stack:
        stack.enter_context(users_tolerance(tolerance))
        stack.enter_context(held(out) if first else nullcontext())
        if quantize is not None or chosen is PRUNE:  # two trainings, or a choice and one, by one group of processes
            stack.enter_context(joined_world(own_device(request.config.device)))
        traced = trace(model, example, groups.select.leaf)
        if request.loss is None:
            check_labels(traced, request.train, request.validate)
        if groups.data.teacher is not None:
            request = replace(request, teacher=_traced_teacher(groups.data.teacher, traced))
        if out is None or not first:
            return _with_costs(_converted(model, traced, chosen, request, quantize, out), traced, request, board)

        def settings(conversion: Conversion) -> ConvertConfig:
            return _settings(conversion, groups, request, quantize, tolerance)

        def save_first(trial: Conversion) -> None:
            rehearse(trial, Path(out), settings(trial))

        conversion = _converted(model, traced, chosen, request, quantize, out, save_first)
        conversion = _with_costs(conversion, traced, request, board)
        drawing = _drawing(model, traced, conversion)
        return save_run(conversion, Path(out), settings(conversion), drawing, groups.output.force)


def check_quantize(quantize: str | None, train: object, validate: object) -> None:
    """
    Raises:
        ConfigError: no such precision, or no data that can be read several times.
    """
    if quantize not in (None, BYTES):
        raise ConfigError(f"quantize is {BYTES!r} or left out, not {quantize!r}")
    if quantize is not None and train is None:
        raise ConfigError(
            f"quantize={quantize!r} trains: give it data (train=loader, or --data pkg.mod:fn); without a training"
            " `rdpass quantize` makes int8 of a network, of images alone"
        )
    if quantize is not None and (isinstance(train, Iterator) or isinstance(validate, Iterator)):
        raise ConfigError(
            f"an iterator can't be read again, and quantize={quantize!r} reads the data several times; give a loader"
        )


def completed(chosen: Recipe, config: DistillConfig, quantize: str | None, another_teacher: bool) -> DistillConfig:
    """The settings with what the recipe chooses where nothing was said; widths are to suit the precision at the end.

    Of another teacher than the model there are outputs alone, and no paths through it.

    Raises:
        ConfigError: the recipe does not do what a setting asks for.
    """
    if another_teacher:
        config = with_defaults(config, {"paths": {"mixed": False}})
    complete = chosen.complete(config)
    if complete.student.merge_pairs and not chosen.merges_pairs:
        merging = ", ".join(recipe.name for recipe in RECIPES if recipe.merges_pairs)
        raise ConfigError(
            f"recipe {chosen.name} trains no student without shortcuts, so no pair can merge: take one of {merging}, or"
            " leave student.merge_pairs out"
        )
    return complete if quantize is None else with_defaults(complete, {"prune": {"precision": BYTES}})


def _traced_teacher(teacher: nn.Module, model: Traced) -> Traced:
    """
    Raises:
        ConfigError: it does not take the model's inputs, or gives something else.
        TraceError: it can't be turned into a graph.
    """
    found = trace(teacher, model.example)
    shapes = [[tuple(x.shape) for x in tensors_in(run_quietly(each.module, model.example))] for each in (found, model)]
    if shapes[0] != shapes[1]:
        raise ConfigError(
            f"the teacher ({type(teacher).__name__}) gives outputs of shape {shapes[0]} on the example, and the model"
            f" {shapes[1]}: they have to be alike"
        )
    return found


def _request(groups: Groups, config: DistillConfig) -> Request:
    select, data, output = groups.select, groups.data, groups.output
    return Request(
        only=tuple(select.only), skip=tuple(select.skip), max_macs=groups.budget.max_macs, train=data.train,
        validate=data.validate, loss=find_loss(data.loss), distance=find_distance(data.distance),
        config=config, checkpoint=training_state(output.folder), resume=output.resume == "auto",
        show_progress=output.show_progress, callbacks=tuple(output.callbacks),
    )  # fmt: skip


def _settings(
    conversion: Conversion, groups: Groups, request: Request, quantize: str | None, tolerance: float | None
) -> ConvertConfig:
    loss, distance = groups.data.loss, groups.data.distance
    return ConvertConfig(
        recipe=conversion.recipe, tolerance=tolerance, max_macs=request.max_macs, only=request.only, skip=request.skip,
        leaf=tuple(groups.select.leaf), loss=loss if isinstance(loss, str) else None,
        distance=distance if isinstance(distance, str) else None, train=request.config,
        quantize=BYTES if quantize is not None else None,
    )  # fmt: skip


def _converted(
    model: nn.Module,
    traced: Traced,
    chosen: Recipe,
    request: Request,
    quantize: str | None,
    out: str | Path | None,
    save_first: Callable[[Conversion], None] | None = None,
) -> Conversion:
    plan = plan_of(traced, request.only, request.skip)
    if not plan.removable and quantize is None and chosen.removes:
        raise NothingToConvert(f"{type(model).__name__} has no shortcut to remove: {_why(plan)}")
    if not request.resume:
        drop_training_state(out)

    def check_saved(student: Traced) -> None:
        if save_first is not None:
            save_first(_conversion(model, traced, plan, Removal(student, (), ()), chosen.name))
        if quantize is not None and current_world().is_first:
            _check_quantisable(student)

    checked = check_saved if save_first is not None or quantize is not None else None
    remove = chosen.remove if plan.removable or not chosen.removes else KEEP.remove
    removal = remove(traced, plan, replace(request, check_saved=checked))
    if not isinstance(removal, Removal):  # of a recipe that a package brought along
        raise ConfigError(f"recipe {chosen.name!r} is to give a Removal, not a {type(removal).__name__}")
    _check_removed(removal)
    conversion = replace(_conversion(model, traced, plan, removal, chosen.name), images=settings_of(request.train))
    teacher = request.teacher or traced
    if current_world().is_first:
        conversion = replace(conversion, compared=compare_on_held_out(teacher.module, conversion.student, request))
    if quantize is None:
        return conversion
    if not removal.history:  # nothing was trained yet, so nothing has been checked before
        check_saved(removal.student)
    return _with_int8(conversion, removal.student, teacher, request)


def _with_costs(conversion: Conversion, traced: Traced, request: Request, board: Target | None) -> Conversion:
    """``conversion`` with what was forecast for ``board`` and what came out; itself where none was named."""
    if board is None or not current_world().is_first:
        return conversion
    assert isinstance(conversion.student, GraphModule)
    removable = conversion.plan.removable if conversion.pruning is None else ()
    int8 = None if conversion.int8 is None else conversion.int8.model
    return replace(
        conversion,
        estimated=estimate_conversion(
            traced,
            removable,
            conversion.student,
            int8,
            board,
            request.show_progress,
            merges_pairs=conversion.merging is not None and bool(conversion.merging.pairs),
        ),
    )


def _drawing(model: nn.Module, traced: Traced, conversion: Conversion) -> str:
    """The network with the bytes live at its kernels, and the student's where it runs the same layers."""
    assert isinstance(conversion.student, GraphModule)
    before, after = map(fusion_variants_of, (traced.module, conversion.student))
    return draw(traced.module, conversion.plan, before, after, type(model).__name__, "the student")


def _check_quantisable(student: Traced) -> None:
    from rdpass.recipes.quantised_training import check_quantisable

    check_quantisable(student)


def _with_int8(conversion: Conversion, student: Traced, teacher: Traced, request: Request) -> Conversion:
    from rdpass.recipes.quantised_training import train_quantised

    int8, gates = train_quantised(student, teacher.module, request)
    return replace(conversion, int8=int8, gates=(*conversion.gates, *gates))


def _conversion(model: nn.Module, traced: Traced, plan: Plan, removal: Removal, recipe: str) -> Conversion:
    student = removal.student.module.eval()
    return Conversion(
        teacher=model,
        student=student,
        plan=plan,
        cuts=find_cuts(traced.module, plan.regions) if removal.pruning is None else (),
        outcomes=removal.outcomes,
        cost=cost_of(student),
        gates=(*traced.gates, *removal.gates),
        history=removal.history,
        example=traced.example,
        recipe=recipe,
        pruning=removal.pruning,
        merging=removal.merging,
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
