"""Which tile each workload gets by what was measured.

1. Records of the target and of today's kernels count. Measured ones come before estimated ones.
2. A tile that was tried several times has the time of the most repeats; of equals, the longer one.
3. The fastest tile wins, if the default was tried by the same method and is slower: never worse than untuned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rdpass.arm_target import ArmTarget
from rdpass.database.keys import code_key, target_key
from rdpass.database.record import Method, Record, write_record
from rdpass.kernels.choose import choose_default
from rdpass.kernels.machine import machine_of
from rdpass.kernels.ranking import is_tile_of
from rdpass.kernels.schedule import Tile
from rdpass.kernels.workload import Workload

METHODS: tuple[tuple[Method, ...], ...] = (("host", "rpc"), ("mca",))
"""Methods whose times compare with each other, the more trusted first."""


@dataclass(frozen=True)
class Best:
    """A workload's tile, its time, and the default's by the same method."""

    tile: Tile
    seconds: float
    default_seconds: float
    is_estimate: bool


def usable(records: Iterable[Record], target: ArmTarget) -> list[Record]:
    """The records of ``target`` and of today's kernels."""
    keys = target_key(target), code_key()
    return [record for record in records if (record.target, record.code) == keys]


def best_tiles(records: Iterable[Record], target: ArmTarget) -> dict[Workload, Best]:
    """The best tile of every workload whose default was tried too, in ``usable`` records."""
    machine = machine_of(target)
    by_work: dict[Workload, list[Record]] = {}
    for record in records:
        by_work.setdefault(record.workload, []).append(record)
    found = {}
    for work, own in by_work.items():
        default = choose_default(work, machine)
        for methods in METHODS:
            times = settled_times(record for record in own if record.method in methods)
            if default in times:
                tile = min(times, key=lambda tile: (times[tile], tile != default, repr(tile)))
                if is_tile_of(work, tile, machine):
                    found[work] = Best(tile, times[tile], times[default], methods == ("mca",))
                break
    return found


def settled_times(records: Iterable[Record]) -> dict[Tile, float]:
    """The time of every tile of one workload that can be used, see 2."""
    chosen: dict[Tile, tuple[int, float]] = {}
    for record in records:
        if record.seconds is not None:
            candidate = record.repeats, record.seconds
            chosen[record.tile] = max(chosen.get(record.tile, candidate), candidate)
    return {tile: seconds for tile, (_, seconds) in chosen.items()}


def digest(records: Iterable[Record]) -> str:
    """SHA-256 of what was measured, whatever the order it was written in or how often."""
    return hashlib.sha256(b"".join(sorted({write_record(record) for record in records}))).hexdigest()


def tiles_of(best: Mapping[Workload, Best]) -> dict[Workload, Tile]:
    """The tiles alone, as the lowering takes them."""
    return {work: found.tile for work, found in best.items()}
