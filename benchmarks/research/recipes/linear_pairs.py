"""``migrate`` with merged pairs of 1x1 convolutions, under the name that its lines in the records have."""

from __future__ import annotations

from dataclasses import replace

from rdpass.recipes.catalogue import recipes
from rdpass.recipes.migrate import MIGRATE

NAME = "linear-pairs"
recipes.register(NAME)(replace(MIGRATE, name=NAME, defaults={**MIGRATE.defaults, "student": {"merge_pairs": True}}))
