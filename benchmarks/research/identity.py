"""A short name for what a run is, the same in every process and every grid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from benchmarks.research.networks import Net
from benchmarks.research.protocols import Protocol


def digest(told: Mapping[str, Any]) -> str:
    """Ten hex digits of everything in ``told``."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:10]


def identity_of(net: Net, protocol: Protocol, recipe: str, settings: Mapping[str, Any], seed: int, amp: bool) -> str:
    """Of one network made in one way; where it was made is no part of it."""
    return digest(dict(net=net.name, protocol=protocol.told(), recipe=recipe, settings=settings, seed=seed, amp=amp))
