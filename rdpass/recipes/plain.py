"""``plain``: a student without shortcuts learns from the labels alone; a baseline."""

from __future__ import annotations

from rdpass.recipes.cutting import remove_by_cutting
from rdpass.recipes.recipe import Recipe

PLAIN = Recipe(
    "plain", needs_data=True, remove=remove_by_cutting, defaults={"lr": 0.1, "alpha": 0.0}, merges_pairs=True
)
