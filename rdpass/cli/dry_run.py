"""``rdpass convert --dry-run``: what would be done, found out without doing it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from rdpass.capture.plain_copy import plain_copy
from rdpass.capture.trace import trace
from rdpass.conversion import check_quantize, completed
from rdpass.core.comparison import users_tolerance
from rdpass.inspection import inspect
from rdpass.passes.analysis.cost import cost_of
from rdpass.passes.distill.find_pairs import find_pairs
from rdpass.passes.distill.merge_pairs import plain_form
from rdpass.recipes.catalogue import find_recipe
from rdpass.recipes.preparation import prepared_teacher
from rdpass.recipes.prune import PRUNE, pruned
from rdpass.recipes.recipe import Recipe
from rdpass.report.pruning import pruning_words
from rdpass.runs.settings import ConvertConfig, to_toml
from rdpass.training.batches import rows_of, step_named, unpacking_for
from rdpass.training.evaluation import check_measurable
from rdpass.training.learning_rate import check_schedule
from rdpass.training.loading import Loading
from rdpass.training.loggers import check_loggers
from rdpass.training.losses import find_distance, find_loss
from rdpass.training.optimiser import check_optimiser
from rdpass.training.request import Request
from rdpass.training.selection import check_selection

Parts = tuple[Iterable[Any], Iterable[Any] | None]


def print_dry_run(
    model: nn.Module,
    example: tuple[Tensor, ...] | None,
    settings: ConvertConfig,
    parts: Parts | None,
    as_json: bool,
    another_teacher: bool = False,
) -> None:
    """The shortcuts and what the recipe is to do with them, the data as far as their first batch, and all settings.

    Raises:
        ConfigError, TraceError, DivergedError: what the conversion itself would end with before it trains.
    """
    from rdpass.cli.tables import print_merging, print_pruning, print_table

    recipe = find_recipe(settings.recipe, has_data=parts is not None)
    loss, distance = find_loss(settings.loss), find_distance(settings.distance)
    check_quantize(settings.quantize, *(parts or (None, None)))
    with users_tolerance(settings.tolerance):
        plan = inspect(model, example, only=settings.only, skip=settings.skip, leaf=settings.leaf)
    train_settings = completed(recipe, settings.train, settings.quantize, another_teacher)
    settings = settings.model_copy(update={"recipe": recipe.name, "train": train_settings})
    data = {}
    if parts is not None and (recipe.needs_data or settings.quantize is not None):
        check_optimiser(settings.train)
        check_schedule(settings.train)
        check_loggers(settings.train, has_folder=True)
        train, validate = parts
        check_selection(settings.train, validate)
        data = _first_batch(
            plain_copy(model).module, Request(train=train, validate=validate, loss=loss, distance=distance,
                                                    config=settings.train),
            settings.quantize is not None,
        )  # fmt: skip
    pruning = None
    if recipe is PRUNE and parts is not None:
        request = Request(settings.only, settings.skip, train=parts[0], loss=loss, config=settings.train)
        narrow, pruning = pruned(prepared_teacher(trace(model, example, settings.leaf)), request)
    merging = None
    if settings.train.student.merge_pairs:
        merging = find_pairs(plain_form(trace(model, example, settings.leaf).module, plan.removable))
    if as_json:
        shown = {"dry_run": True, "plan": asdict(plan), "data": data, "config": settings.model_dump()}
        more = {"pruning": pruning, "merging": merging}
        print(json.dumps(shown | {name: asdict(each) for name, each in more.items() if each is not None}, indent=1))
        return
    if pruning is not None:
        print_pruning(pruning)
        print(f"would be {pruning_words(plan.forecast.model, cost_of(narrow.module))}", end="\n\n")
    print_table(
        ("shortcut", "module", "kind", "would be", "reason"),
        [(r.add, r.path, r.kind, _fate(r.verdict, recipe), r.reason) for r in plan.regions],
    )
    if merging is not None:
        print_merging(merging)
    if data:
        print(", ".join(f"{name} {value}" for name, value in data.items()), end="\n\n")
    print(to_toml(settings.model_dump()))


def _fate(verdict: str, recipe: Recipe) -> str:
    return "kept" if verdict == "kept" or not recipe.removes else f"removed by {recipe.name}"


@torch.no_grad()
def _first_batch(model: nn.Module, request: Request, in_int8: bool) -> dict[str, int]:
    """Facts of the training data, whose first batch is measured as the training will; that of the validation too."""
    assert request.train is not None
    loading = Loading(request.train, request.config)
    index, raw = next(loading.epoch(0))
    unpacking = unpacking_for(model)
    batch = unpacking.batch(raw, index)
    outputs = model.eval()(*batch.inputs)
    with step_named([batch], index, unpacking.example):
        request.criteria.terms(outputs, outputs, batch)
    check_measurable(model, request)
    each = math.ceil(loading.length / request.config.accumulate)
    facts = {"batches": loading.length, "rows of the first": rows_of(batch), "steps": request.config.epochs * each}
    return facts | ({"steps in int8": request.config.quantize.epochs * each} if in_int8 else {})
