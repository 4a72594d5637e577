"""The plan of a built network: its calls in order, what each computes and touches, and where in memory maps lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

MapKind = Literal["map", "output", "scratch"]
COPY = "copy"
"""The name of a call that is none of a function: bytes from one place to another."""


@dataclass(frozen=True)
class PlannedCall:
    """A call of a network.

    Args:
        function: whose, by its name.
        operations: its arithmetic operations, two for each multiply-accumulate.
        bytes: of all tensors that it takes and gives, each once, without scratch.
        weights: bytes of these that are constants.
    """

    function: str
    operations: int
    bytes: int
    weights: int


@dataclass(frozen=True)
class PlannedMap:
    """``bytes`` bytes at ``offset`` of the planned memory, in use from call ``first`` to call ``last``.

    ``kind``: "map" for what passes from call to call, "output" for what the network gives, "scratch" for what one call
    needs for itself.
    """

    offset: int
    bytes: int
    first: int
    last: int
    kind: MapKind


@dataclass(frozen=True)
class CallPlan:
    """Calls in order, maps by offset, and the ``bytes`` that all of these lie in.

    Example:
        >>> plan = CallPlan((PlannedCall("relu", 64, 512, 0),), (), 0)
        >>> [call.function for call in plan.calls]
        ['relu']
    """

    calls: tuple[PlannedCall, ...]
    maps: tuple[PlannedMap, ...]
    bytes: int


def plan_of(body: dict[str, Any]) -> CallPlan:
    """The plan that ``dataclasses.asdict`` made ``body`` of."""
    calls = tuple(PlannedCall(**call) for call in body["calls"])
    return CallPlan(calls, tuple(PlannedMap(**each) for each in body["maps"]), body["bytes"])
