"""The model that a command is to work on, with a word on stderr where its weights are random."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def load_named_model(
    spec: str, weights: str | Path | None, trusted: bool = False, input_shape: str | None = None
) -> tuple[nn.Module, tuple[Tensor, ...] | None]:
    """Load a model as ``models.load_model`` does, and say so where it has random weights."""
    from rdpass.sources.models import is_untrained, load_model

    loaded = load_model(spec, weights, input_shape, trusted=trusted)
    if is_untrained(spec, weights):
        print(f"rdpass: {spec} has random weights; give trained ones with --weights FILE", file=sys.stderr)
    return loaded
