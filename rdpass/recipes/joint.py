"""``joint``: JointRD (Li et al., *Residual Distillation*, NeurIPS 2020): train with shortcuts, deploy without.

The student has none from the first step. Its features at each stage's end also go on through the teacher's later
stages; cross-entropy on every path, averaged, and the mixed ones weighted by m(e). The settings of ``paths`` switch
every part: features, paths, the schedule, a teacher trained along.
"""

from __future__ import annotations

from rdpass.recipes.cutting import remove_by_cutting
from rdpass.recipes.recipe import Recipe

# 60 of the source's 200 CIFAR epochs; its loss has no distillation of logits.
PAPER = {"lr": 0.1, "alpha": 0.0, "paths": {"mixed": True, "average": True, "span": 0.3, "floor": 0.5}}

JOINT = Recipe("joint", needs_data=True, remove=remove_by_cutting, defaults=PAPER, merges_pairs=True)
