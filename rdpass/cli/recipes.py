"""``rdpass recipes``: recipes, losses and distances by name, and the package that each comes from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer


@dataclass(frozen=True)
class Row:
    """One name. ``needs_data`` and ``defaults``: of a recipe. ``unusable``: why it can't be used, if it can't."""

    kind: str
    name: str
    origin: str
    needs_data: bool | None
    defaults: dict[str, Any]
    unusable: str


def recipes_command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List what `convert` takes as --recipe, --loss and --distance: rdpass's own, and those of installed packages.

    Example: rdpass recipes --json
    """
    from rdpass.cli.tables import print_table

    rows = found_rows()
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    print_table(("kind", "name", "from", ""), [(row.kind, row.name, row.origin, _said(row)) for row in rows])
    print("--loss and --distance take pkg.mod:fn too. --recipe auto is carry without data, and migrate with data.")


def found_rows() -> list[Row]:
    """All names, each registry's own before those of packages."""
    from rdpass.recipes.catalogue import recipes
    from rdpass.recipes.recipe import Recipe
    from rdpass.training.losses import distances, losses

    rows = []
    for registry in (recipes, losses, distances):
        for each in registry.listed():
            recipe = each.value if isinstance(each.value, Recipe) else None
            needs_data, defaults = (None, {}) if recipe is None else (recipe.needs_data, dict(recipe.defaults))
            rows.append(Row(registry.kind, each.name, each.origin, needs_data, defaults, each.unusable))
    return rows


def _said(row: Row) -> str:
    if row.unusable:
        return row.unusable
    if row.needs_data is None:
        return ""
    plain = [f"{name} {value}" for name, value in row.defaults.items() if not isinstance(value, dict)]
    return "; ".join(["trains on data" if row.needs_data else "without data", *plain])
