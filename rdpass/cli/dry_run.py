"""``rdpass convert --dry-run``: what would be done, found out without doing it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from rdpass.inspection import inspect
from rdpass.recipes.catalogue import find_recipe
from rdpass.runs.settings import ConvertConfig, to_toml
from rdpass.training.batches import rows_of, unpacking_for
from rdpass.training.loading import Loading
from rdpass.training.losses import find_distance, find_loss

Parts = tuple[Iterable[Any], Iterable[Any] | None]


def print_dry_run(
    model: nn.Module, example: tuple[Tensor, ...] | None, settings: ConvertConfig, parts: Parts | None, as_json: bool
) -> None:
    """The shortcuts and what the recipe is to do with them, the data as far as their first batch, and all settings.

    Raises:
        ConfigError, TraceError, DivergedError: what the conversion itself would end with before it trains.
    """
    from rdpass.cli.tables import print_table

    recipe = find_recipe(settings.recipe, has_data=parts is not None)
    find_loss(settings.loss), find_distance(settings.distance)
    plan = inspect(model, example, only=settings.only, skip=settings.skip, leaf=settings.leaf)
    settings = settings.model_copy(update={"recipe": recipe.name, "train": recipe.complete(settings.train)})
    data = _first_batch(model, parts[0], settings) if parts is not None and recipe.needs_data else {}
    if as_json:
        shown = {"dry_run": True, "plan": asdict(plan), "data": data, "config": settings.model_dump()}
        print(json.dumps(shown, indent=1))
        return
    print_table(
        ("shortcut", "module", "kind", "would be", "reason"),
        [(r.add, r.path, r.kind, _fate(r.verdict, recipe.name), r.reason) for r in plan.regions],
    )
    if data:
        print(", ".join(f"{name} {value}" for name, value in data.items()), end="\n\n")
    print(to_toml(settings.model_dump()))


def _fate(verdict: str, recipe: str) -> str:
    return "kept" if verdict == "kept" else f"removed by {recipe}"


def _first_batch(model: nn.Module, loader: Iterable[Any], settings: ConvertConfig) -> dict[str, int]:
    loading = Loading(loader, settings.train)
    index, raw = next(loading.epoch(0))
    batch = unpacking_for(model).batch(raw, index)
    steps = settings.train.epochs * math.ceil(loading.length / settings.train.accumulate)
    return {"batches": loading.length, "rows of the first": rows_of(batch), "steps": steps}
