"""A short name for what a run is, the same in every process and every grid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest(told: Mapping[str, Any]) -> str:
    """Ten hex digits of everything in ``told``."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:10]
