"""All recipes by name, and which one ``auto`` is."""

from __future__ import annotations

from rdpass.core.errors import ConfigError
from rdpass.recipes.anneal import ANNEAL
from rdpass.recipes.auto import merging_for_free
from rdpass.recipes.carry import CARRY
from rdpass.recipes.joint import JOINT
from rdpass.recipes.kd import KD
from rdpass.recipes.merge import MERGE
from rdpass.recipes.migrate import MIGRATE
from rdpass.recipes.plain import PLAIN
from rdpass.recipes.recipe import Recipe

AUTO = "auto"
RECIPES: tuple[Recipe, ...] = (MERGE, CARRY, MIGRATE, ANNEAL, JOINT, KD, PLAIN)


def find_recipe(name: str, has_data: bool) -> Recipe:
    """The recipe called ``name``; ``auto`` is the exact one without data, the best trained one, and merges, with data.

    Raises:
        ConfigError: there is none of that name, or it trains and there are no data.
    """
    if name == AUTO:
        return merging_for_free(MIGRATE) if has_data else CARRY
    found = next((recipe for recipe in RECIPES if recipe.name == name), None)
    if found is None:
        raise ConfigError(f"unknown recipe {name!r}; there are {', '.join([AUTO, *(r.name for r in RECIPES)])}")
    if found.needs_data and not has_data:
        raise ConfigError(f"recipe {name} trains: give it data (train=loader, or --data pkg.mod:fn)")
    return found
