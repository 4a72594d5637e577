"""``prune``: the least important channels leave, and what is left learns from the whole network.

No shortcut is removed. The share of multiply-accumulates that leaves is the user's (``PruneOptions``); which channels
these are is decided on the trained network, over all its layers (``rdpass.passes.prune``), at once or in steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from rdpass.core.comparison import NumericGate
from rdpass.core.errors import ConfigError
from rdpass.core.numeric_types import BYTES, FLOAT16, FLOAT32, HALF, INT8, SINGLE
from rdpass.core.plan import Outcome, Plan, Pruning, Traced
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.prune.find_channels import Channels
from rdpass.passes.prune.importance import Scores, magnitude, taylor
from rdpass.passes.prune.pruning import prune
from rdpass.recipes.finishing import finished_student, rehearse
from rdpass.recipes.fresh_statistics import refresh_statistics
from rdpass.recipes.preparation import prepared_teacher
from rdpass.recipes.recipe import Recipe, Removal
from rdpass.recipes.statistics import first_batches
from rdpass.targets.isa import isa_of
from rdpass.targets.lookup import find_target
from rdpass.training.batches import step_named, unpacking_for
from rdpass.training.checkpoint import has_checkpoint, step_state
from rdpass.training.engine import train
from rdpass.training.knowledge_distillation import KnowledgeDistillation
from rdpass.training.options import PruneOptions
from rdpass.training.request import Request
from rdpass.training.selection import share_done
from rdpass.training.world import current_world

TYPES = {SINGLE: FLOAT32, HALF: FLOAT16, BYTES: INT8}


def remove_channels_and_distil(teacher: Traced, plan: Plan, request: Request) -> Removal:
    """A narrower student, distilled from ``teacher`` on ``request.train``; all shortcuts stay.

    In several steps, what leaves is chosen anew each time, on the network trained so far. What can't be saved or pruned
    is told before the first one.

    Raises:
        ConfigError: the budget can't be met, there are fewer epochs than steps, or shortcuts were selected.
        NothingToConvert: no layer has channels that could leave.
        ParityError: the pruned network is not what it should be, or the trained one not what was trained.
        DivergedError: the data or the loss were not usable.
    """
    steps = request.config.prune.steps
    if request.config.epochs < steps:
        raise ConfigError(f"{steps} steps of pruning take {steps} epochs or more, not {request.config.epochs}")
    prepared = prepared_teacher(teacher)
    at_once, pruning = pruned(prepared, request)
    rehearse(replace(at_once, gates=()), (), _like(at_once), request)
    student = prepared if steps > 1 else at_once
    gates: tuple[NumericGate, ...] = student.gates
    history: list[dict[str, float]] = []
    for step in range(1, steps + 1):
        if steps > 1:
            widths = {width.layer: width.before for width in pruning.widths}
            student, pruning = _narrowed(student, pruning, prepared, request, step, widths)
            gates += student.gates
        learnt_from = deepcopy((request.teacher or prepared).module)
        objective = KnowledgeDistillation(student.module, learnt_from, request.criteria)
        part = _part_of(request, step)
        learnt = train(objective, part)
        history += learnt
        student.module.eval()
    refresh_statistics(student.module, part, share_done(learnt, part.config))
    folded = finished_student(replace(student, gates=()), (), _like(student))
    outcomes = tuple(Outcome(region.add, "kept", "prune takes channels, no shortcuts") for region in plan.regions)
    return Removal(replace(folded, gates=()), outcomes, (*gates, *folded.gates), tuple(history), pruning)


def _like(student: Traced) -> Traced:
    return replace(student, module=deepcopy(student.module), gates=())


def _narrowed(
    student: Traced, before: Pruning, whole: Traced, request: Request, step: int, widths: Mapping[str, int]
) -> tuple[Traced, Pruning]:
    """The student after one more step: of the share that is to leave in all, ``step`` parts of as many as there are.

    A step has nothing to do where the ones before it saved more than their part.
    """
    options = request.config.prune
    wanted = (1 - options.share * step / options.steps) * macs_of(whole.module)
    share = 1 - wanted / macs_of(student.module)
    if share <= 0:
        return replace(student, gates=()), before
    return pruned(replace(student, gates=()), request, share, widths)


def _part_of(request: Request, step: int) -> Request:
    """The request of one step's training: its part of the epochs, and a state of its own to go on from."""
    steps, epochs = request.config.prune.steps, request.config.epochs // request.config.prune.steps
    if step == steps:
        epochs = request.config.epochs - epochs * (steps - 1)
    checkpoint = request.checkpoint
    if checkpoint is not None and steps > 1:
        checkpoint = step_state(checkpoint, step, steps)
        if current_world().is_first:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
    return replace(
        request, config=request.config.model_copy(update={"epochs": epochs}), checkpoint=checkpoint,
        resume=request.resume and has_checkpoint(checkpoint), stage=f"step{step}" if steps > 1 else "",
    )  # fmt: skip


def pruned(
    network: Traced, request: Request, share: float | None = None, widths: Mapping[str, int] | None = None
) -> tuple[Traced, Pruning]:
    """The network without the channels that ``request.config.prune`` says, and how it was pruned.

    Args:
        network: prepared for training.
        request: with the settings and the data that say what matters.
        share: in the place of the settings'.
        widths: of layers, by path, before any step.

    Raises:
        ConfigError, NothingToConvert, ParityError: as ``remove_channels_and_distil``.
        TargetError: no target has that name.
    """
    if request.only or request.skip:
        raise ConfigError("only and skip select shortcuts; recipe prune takes channels of all layers: leave them out")
    options = request.config.prune
    multiple = options.multiple or block_of(options)
    ranked = _ranked_by(network.module, request)
    importance = magnitude if ranked == "magnitude" else partial(_same_everywhere, request)
    found = prune(network, share or options.share, multiple=multiple, floor=options.floor, importance=importance,
                  widths=widths)  # fmt: skip
    first = widths or {}
    told = tuple(replace(width, before=first.get(width.layer, width.before)) for width in found.widths)
    return found.traced, Pruning(options.share, multiple, ranked, told, found.skipped)


def block_of(options: PruneOptions) -> int:
    """The channels of a block of the kernels for the target and precision.

    Raises:
        TargetError: no target has that name.
    """
    return isa_of(find_target(options.target)).block(TYPES[options.precision])


def _ranked_by(model: nn.Module, request: Request) -> str:
    """
    Raises:
        ConfigError: a loss is to say what matters, and there is none.
    """
    asked = request.config.prune.importance
    if asked == "magnitude":
        return asked
    once = isinstance(request.train, Iterator)
    first = None if once else next(first_batches(model, request, 1), None)
    has_loss = first is not None and (request.loss is not None or first.targets is not None)
    if asked == "taylor" and not has_loss:
        why = "can be read once alone" if once else "have no targets"
        raise ConfigError(
            f"importance taylor asks a loss what matters, and the data {why}: give other data, or take magnitude (--set"
            " train.prune.importance=magnitude)"
        )
    return "taylor" if has_loss else "magnitude"


def _same_everywhere(request: Request, module: nn.Module, channels: Channels) -> Scores:
    """The scores of the first process, which may have read other images than the others: all prune alike."""

    def losses(copied: nn.Module) -> Iterator[Tensor]:
        example = unpacking_for(module).example
        for index, batch in enumerate(first_batches(module, request, request.config.prune.images)):
            with step_named([batch], index, example):
                loss = request.criteria.loss_of(copied(*batch.inputs), batch)
            yield loss

    own = taylor(module, channels, losses)  # type: ignore[arg-type]
    first: Scores = current_world().gather(own)[0]
    return first


PRUNE = Recipe("prune", needs_data=True, remove=remove_channels_and_distil, defaults={"lr": 0.04}, removes=False)
