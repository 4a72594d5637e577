"""The part that a node plays in a shortcut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rdpass.core.plan import Region

Role = Literal["fork", "body", "shortcut", "add", "other"]

# Where a node plays several parts, the first of these colours it; a fork that is something else too gets a stripe.
PRECEDENCE: tuple[Role, ...] = ("add", "shortcut", "fork", "body")


@dataclass(frozen=True)
class Part:
    """``role`` in the innermost region that gives the node one; ``is_fork`` whether it is a fork besides, and
    ``kept`` whether that region's shortcut stays."""

    role: Role
    is_fork: bool
    kept: bool
    add: str


def parts_of(regions: tuple[Region, ...]) -> dict[str, Part]:
    """The part of every node that plays one."""
    found: dict[str, dict[Role, Region]] = {}
    for region in sorted(regions, key=lambda region: -len(region.body)):  # inner regions overwrite outer ones
        for role, names in _named(region).items():
            for name in names:
                found.setdefault(name, {})[role] = region
    return {name: _part(roles) for name, roles in found.items()}


def _named(region: Region) -> dict[Role, tuple[str, ...]]:
    return {"body": region.body, "fork": (region.fork,), "shortcut": region.shortcut, "add": (region.add,)}


def _part(roles: dict[Role, Region]) -> Part:
    role = next(role for role in PRECEDENCE if role in roles)
    region = roles[role]
    return Part(role, "fork" in roles and role != "fork", region.verdict == "kept", region.add)
