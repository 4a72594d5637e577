"""``prune``: the least important channels leave, and what is left learns from the whole network.

No shortcut is removed. The share of multiply-accumulates that leaves is the user's (``PruneOptions``); which channels
these are is decided once, on the trained network, over all its layers (``rdpass.passes.prune``).
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from rdpass.core.errors import ConfigError
from rdpass.core.numeric_types import BYTES, FLOAT16, FLOAT32, HALF, INT8, SINGLE
from rdpass.core.plan import Outcome, Plan, Pruning, Traced
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
from rdpass.training.engine import train
from rdpass.training.knowledge_distillation import KnowledgeDistillation
from rdpass.training.options import PruneOptions
from rdpass.training.request import Request
from rdpass.training.world import current_world

TYPES = {SINGLE: FLOAT32, HALF: FLOAT16, BYTES: INT8}


def remove_channels_and_distil(teacher: Traced, plan: Plan, request: Request) -> Removal:
    """A narrower student, distilled from ``teacher`` on ``request.train``; all shortcuts stay.

    Raises:
        ConfigError: the budget can't be met, or shortcuts were selected.
        NothingToConvert: no layer has channels that could leave.
        ParityError: the pruned network is not what it should be, or the trained one not what was trained.
        DivergedError: the data or the loss were not usable.
    """
    prepared = prepared_teacher(teacher)
    narrow, pruning = pruned(prepared, request)
    student, counterpart = replace(narrow, gates=()), replace(narrow, module=deepcopy(narrow.module), gates=())
    rehearse(student, (), counterpart, request)
    learnt_from = deepcopy((request.teacher or prepared).module)
    history = train(KnowledgeDistillation(student.module, learnt_from, request.criteria), request)
    refresh_statistics(student.module, request, 1.0)
    folded = finished_student(student, (), counterpart)
    outcomes = tuple(Outcome(region.add, "kept", "prune takes channels, no shortcuts") for region in plan.regions)
    return Removal(replace(folded, gates=()), outcomes, (*narrow.gates, *folded.gates), tuple(history), pruning)


def pruned(prepared: Traced, request: Request) -> tuple[Traced, Pruning]:
    """The network without the channels that ``request.config.prune`` says, and how it was pruned.

    Raises:
        ConfigError, NothingToConvert, ParityError: as ``remove_channels_and_distil``.
        TargetError: no target has that name.
    """
    if request.only or request.skip:
        raise ConfigError("only and skip select shortcuts; recipe prune takes channels of all layers: leave them out")
    options = request.config.prune
    multiple = options.multiple or block_of(options)
    ranked = _ranked_by(prepared.module, request)
    importance = magnitude if ranked == "magnitude" else partial(_same_everywhere, request)
    found = prune(prepared, options.share, multiple=multiple, floor=options.floor, importance=importance)
    return found.traced, Pruning(options.share, multiple, ranked, found.widths, found.skipped)


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
    has_loss = not once and (request.loss is not None or next(first_batches(model, request, 1)).targets is not None)
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
        for batch in first_batches(module, request, request.config.prune.images):
            yield request.criteria.loss_of(copied(*batch.inputs), batch)

    own = taylor(module, channels, losses)  # type: ignore[arg-type]
    first: Scores = current_world().gather(own)[0]
    return first


PRUNE = Recipe("prune", needs_data=True, remove=remove_channels_and_distil, defaults={"lr": 0.04}, removes=False)
