"""``kd``: a student without shortcuts learns from its teacher's logits and the labels; a baseline."""

from __future__ import annotations

from rdpass.recipes.cutting import remove_by_cutting
from rdpass.recipes.recipe import Recipe

KD = Recipe("kd", needs_data=True, remove=remove_by_cutting, defaults={"lr": 0.1}, merges_pairs=True)
