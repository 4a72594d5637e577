"""Records of trials beside their default: a tile of one kernel, or the tiles of a whole network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload

Method = Literal["host", "rpc", "mca"]
"""How a time came about: measured on this host, measured on a board, or estimated (``mca``)."""

MOST_SECONDS, LEAST_SECONDS = 1e6, 1e-12
MOST_REPEATS, MOST_SPREAD, LONGEST_TEXT = 10**9, 1e9, 10_000

Selection = tuple[tuple[Workload, Tile], ...]
"""The tiles of some of a network's workloads, in the order that ``selection_of`` gives; the others have defaults."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Fields that every record has.

    ``target`` and ``code`` are its keys (``keys``). ``seconds`` and ``default_seconds``: of what was tried and of its
    default, timed in turn ``repeats`` times each, the shortest, or estimated; None where it can't be used, and
    ``failure`` says why. ``spread``: how far the upper quartile of the times lies above ``seconds``, relative.
    """

    target: str
    target_name: str
    code: str
    method: Method
    seconds: float | None
    default_seconds: float | None
    repeats: int = 1
    spread: float = 0.0
    failure: str | None = None

    @property
    def is_estimate(self) -> bool:
        return self.method == "mca"

    @property
    def ratio(self) -> float | None:
        """Its time over the default's; None where it can't be used."""
        return None if self.seconds is None or self.default_seconds is None else self.seconds / self.default_seconds

    @property
    def is_faster(self) -> bool:
        return self.ratio is not None and self.ratio < 1.0


@dataclass(frozen=True, kw_only=True)
class Record(Timed):
    """A tile that was tried for a workload, beside the default tile."""

    workload: Workload
    tile: Tile


@dataclass(frozen=True, kw_only=True)
class NetworkRecord(Timed):
    """A whole network, by its key, that was tried with ``tiles``, beside the same with default tiles alone."""

    network: str
    tiles: Selection


@dataclass(frozen=True)
class Stale:
    """An intact record of other kernel sources: what its workloads and tiles were is not known any more."""

    target: str
    target_name: str
    code: str
    line: bytes


def selection_of(tiles: Mapping[Workload, Tile]) -> Selection:
    """Equal tiles for equal workloads are equal selections."""
    return tuple(sorted(tiles.items(), key=repr))


def check_timed(record: Timed) -> None:
    """
    Raises:
        ValueError: a field that every record has is out of range.
    """
    if record.method not in get_args(Method):
        raise ValueError("an unknown method")
    if not _is_number(record.repeats, MOST_REPEATS) or record.repeats < 1 or record.repeats != int(record.repeats):
        raise ValueError("repeats are out of range")
    if not _is_number(record.spread, MOST_SPREAD) or record.spread < 0:
        raise ValueError("spread is out of range")
    times = record.seconds, record.default_seconds
    if record.failure is not None:
        if not isinstance(record.failure, str) or len(record.failure) > LONGEST_TEXT or times != (None, None):
            raise ValueError("a failure that is no text, too long, or has a time")
    elif not all(_is_number(time, MOST_SECONDS) and time >= LEAST_SECONDS for time in times):  # type: ignore[operator]
        raise ValueError(f"a time is not between {LEAST_SECONDS} and {MOST_SECONDS} seconds")


def _is_number(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -most <= value <= most
