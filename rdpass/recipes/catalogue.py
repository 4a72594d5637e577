"""All recipes by name, and which one ``auto`` is."""

from __future__ import annotations

from typing import Any

from rdpass.core.errors import ConfigError
from rdpass.core.registry import Registry
from rdpass.recipes.anneal import ANNEAL
from rdpass.recipes.auto import merging_for_free
from rdpass.recipes.carry import CARRY
from rdpass.recipes.joint import JOINT
from rdpass.recipes.kd import KD
from rdpass.recipes.keep import KEEP
from rdpass.recipes.merge import MERGE
from rdpass.recipes.migrate import MIGRATE
from rdpass.recipes.plain import PLAIN
from rdpass.recipes.prune import PRUNE
from rdpass.recipes.recipe import Recipe

AUTO = "auto"
RECIPES: tuple[Recipe, ...] = (MERGE, CARRY, MIGRATE, ANNEAL, JOINT, KD, PLAIN, KEEP, PRUNE)


def as_recipe(name: str, given: Any) -> Recipe:
    """A ``Recipe`` of that name as it is; a function ``remove(traced, plan, request)`` as one that takes no data.

    Raises:
        ConfigError: it is neither.
    """
    if isinstance(given, Recipe) and given.name == name:
        return given
    if isinstance(given, Recipe) or not callable(given):
        said = f"one called {given.name!r}" if isinstance(given, Recipe) else f"a {type(given).__name__}"
        raise ConfigError(f"recipe {name!r} is to be a Recipe of that name, or a function that removes, not {said}")
    return Recipe(name, needs_data=False, remove=given)


recipes = Registry("recipe", "rdpass.recipes", {recipe.name: recipe for recipe in RECIPES}, as_recipe, (AUTO,))


def find_recipe(name: str, has_data: bool) -> Recipe:
    """The recipe called ``name``; ``auto`` is the exact one without data, the best trained one, and merges, with data.

    Raises:
        ConfigError: there is none of that name, its package can't be loaded, or it trains and there are no data.
    """
    if name == AUTO:
        return merging_for_free(MIGRATE) if has_data else CARRY
    found = recipes.get(name)
    if found is None:
        known = ", ".join([AUTO, *recipes.names()])
        raise ConfigError(f"unknown recipe {name!r}; there are {known}{recipes.hint(name, (AUTO,))}")
    if found.needs_data and not has_data:
        raise ConfigError(f"recipe {name} trains: give it data (train=loader, or --data pkg.mod:fn)")
    return found
