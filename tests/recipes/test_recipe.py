"""A recipe's defaults."""

from rdpass.recipes.catalogue import find_recipe
from rdpass.recipes.recipe import Recipe
from rdpass.training.config import DistillConfig
from rdpass.training.options import PathOptions


def test_a_recipes_defaults_stand_back_behind_what_was_said():
    recipe = find_recipe("migrate", has_data=True)
    assert recipe.complete(DistillConfig()).lr == 0.04
    said = DistillConfig(lr=0.2, paths=PathOptions(mixed=False, floor=0.1))
    assert recipe.complete(said) == said
    joint = find_recipe("joint", has_data=True).complete(DistillConfig(paths=PathOptions(floor=0.005)))
    assert (joint.paths.floor, joint.paths.average, joint.alpha) == (0.005, True, 0.0)
    assert find_recipe("joint", has_data=True).complete(joint) == joint


def test_defaults_of_nested_settings_leave_their_neighbours_alone():
    recipe = Recipe(
        "mine", needs_data=True, remove=print, defaults={"paths": {"floor": 0.1}, "student": {"order": "output_first"}}
    )
    complete = recipe.complete(DistillConfig(paths=PathOptions(span=0.25)))
    assert (complete.paths.floor, complete.paths.span, complete.student.order) == (0.1, 0.25, "output_first")


def test_a_recipe_without_defaults_changes_nothing():
    said = DistillConfig(lr=0.3)
    assert Recipe("mine", needs_data=False, remove=print).complete(said) == said
