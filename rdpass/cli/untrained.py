"""Says so where a command is about to work on random weights."""

from __future__ import annotations

import sys
from pathlib import Path


def warn_if_untrained(spec: str, weights: Path | None) -> None:
    """A line on stderr where ``spec`` names a library's architecture and no file of weights was given."""
    from rdpass.models import is_untrained

    if is_untrained(spec, weights):
        print(f"rdpass: {spec} has random weights; give trained ones with --weights FILE", file=sys.stderr)
