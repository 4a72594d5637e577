"""Recipes by name: what ``auto`` is, what trains needs data, and what a user registers."""

import pytest

from rdpass.core.errors import ConfigError
from rdpass.recipes.carry import CARRY
from rdpass.recipes.catalogue import RECIPES, as_recipe, find_recipe, recipes
from rdpass.recipes.migrate import MIGRATE
from rdpass.recipes.recipe import Recipe


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_each_is_found_by_its_name_and_asks_for_data_if_it_trains(recipe):
    assert find_recipe(recipe.name, has_data=True) is recipe
    if recipe.needs_data:
        with pytest.raises(ConfigError, match=f"recipe {recipe.name} trains: give it data"):
            find_recipe(recipe.name, has_data=False)
    else:
        assert find_recipe(recipe.name, has_data=False) is recipe


def test_auto_is_exact_without_data_and_trains_with_them():
    assert find_recipe("auto", has_data=False) is CARRY
    with_data = find_recipe("auto", has_data=True)
    assert with_data.needs_data
    assert with_data.defaults == MIGRATE.defaults


def test_an_unknown_name_is_refused_with_the_known_ones_and_the_likeliest():
    with pytest.raises(ConfigError, match=r"unknown recipe 'migrat'; there are auto, merge, carry.*migrate"):
        find_recipe("migrat", has_data=True)


def test_a_function_is_a_recipe_that_takes_no_data():
    def remove(traced, plan, request):
        raise AssertionError("it is not called yet")

    found = as_recipe("mine", remove)
    assert (found.name, found.needs_data, found.remove, found.defaults) == ("mine", False, remove, {})
    assert as_recipe("carry", CARRY) is CARRY


@pytest.mark.parametrize(
    ("given", "said"), [(Recipe("other", False, print), "one called 'other'"), (3, "a int"), (None, "a NoneType")]
)
def test_what_is_neither_is_refused_by_what_it_is(given, said):
    with pytest.raises(ConfigError, match=f"recipe 'mine' is to be .*, not {said}"):
        as_recipe("mine", given)


def test_the_name_auto_is_taken():
    with pytest.raises(ConfigError, match="auto"):
        recipes.register("auto")(print)
