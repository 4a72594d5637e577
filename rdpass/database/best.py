"""The best tile of each workload, from the records.

1. Records of the target and of today's kernels count. Measured ones come before estimated ones.
2. A tile that was tried several times has the figure of the most repeats; of equals, the worse one.
3. Every tile was tried beside the default, and is judged by the ratio of their times: neither the board, nor what else
   it had to do, nor its clock matters much then. The tile of the lowest ratio wins if that is below one, else the
   default stays: never worse than untuned.

Whether a network is built with these tiles is for ``choice`` to say.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rdpass.core.errors import ConfigError, first_line
from rdpass.core.optimization import SPEED, Optimize
from rdpass.database.keys import code_key, target_key
from rdpass.database.lines import read_folder
from rdpass.database.record import Method, NetworkRecord, Record, Timed
from rdpass.database.record_line import write_record
from rdpass.kernels.choice import choose_default, is_tile_of
from rdpass.kernels.machine import Machine, machine_of
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload
from rdpass.targets.target import Target

log = logging.getLogger(__name__)

T = TypeVar("T", bound=Timed)

METHODS: tuple[tuple[Method, ...], ...] = (("host", "rpc"), ("mca",))
"""Methods whose times compare with each other, the more trusted first."""


def comparable(method: Method) -> tuple[Method, ...]:
    """Those of ``METHODS`` that a time by ``method`` compares with."""
    return next(methods for methods in METHODS if method in methods)


@dataclass(frozen=True)
class Best:
    """A workload's tile, its time, and the default's beside it."""

    tile: Tile
    seconds: float
    default_seconds: float
    is_estimate: bool

    @property
    def ratio(self) -> float:
        return self.seconds / self.default_seconds


def usable(records: Iterable[T], target: Target, optimize: Optimize = SPEED) -> list[T]:
    """The records of ``target``, of kernels chosen for ``optimize``, and of today's."""
    keys = target_key(target, optimize), code_key()
    return [record for record in records if (record.target, record.code) == keys]


def best_tiles(records: Iterable[Record], target: Target, optimize: Optimize = SPEED) -> dict[Workload, Best]:
    """The best tile of every workload that ``usable`` records have a time for."""
    machine = machine_of(target, optimize)
    by_work: dict[Workload, list[Record]] = {}
    for record in records:
        by_work.setdefault(record.workload, []).append(record)
    found = {}
    for work, own in by_work.items():
        for methods in METHODS:
            tried = settled(record for record in own if record.method in methods)
            if tried:
                chosen = _understood(work, tried, machine)
                if chosen is not None:
                    found[work] = chosen
                break
    return found


def _understood(work: Workload, tried: Mapping[Tile, Record], machine: Machine) -> Best | None:
    """None for a workload that no kernel can be asked for: a record may say anything."""
    try:
        return _best(work, tried, machine)
    except Exception as error:  # kernels raise what they like where sizes make no sense
        log.debug("records of %r are set aside: %s", work, first_line(error))
        return None


def _is_possible(record: NetworkRecord, machine: Machine) -> bool:
    try:
        return all(is_tile_of(*pair, machine) for pair in record.tiles)
    except Exception as error:
        log.debug("a record of network %s is set aside: %s", record.network, first_line(error))
        return False


def settled(records: Iterable[Record]) -> dict[Tile, Record]:
    """The record that counts for each tile of one workload that can be used, see 2."""
    chosen: dict[Tile, Record] = {}
    for record in records:
        if record.ratio is not None:
            chosen[record.tile] = max(chosen.get(record.tile, record), record, key=_weight)
    return chosen


def _weight(record: Record) -> tuple[int, float]:
    return record.repeats, record.ratio or 0.0


def _best(work: Workload, tried: Mapping[Tile, Record], machine: Machine) -> Best:
    for record in sorted(tried.values(), key=lambda record: (record.ratio or 0.0, repr(record.tile))):
        assert record.seconds is not None
        assert record.default_seconds is not None
        if record.seconds < record.default_seconds and is_tile_of(work, record.tile, machine):
            return Best(record.tile, record.seconds, record.default_seconds, record.is_estimate)
    seconds = min(record.default_seconds or 0.0 for record in tried.values())
    estimated = all(record.is_estimate for record in tried.values())
    return Best(choose_default(work, machine), seconds, seconds, estimated)


def digest(records: Iterable[Record | NetworkRecord]) -> str:
    """SHA-256 of what was measured, whatever the order it was written in or how often."""
    return hashlib.sha256(b"".join(sorted({write_record(record) for record in records}))).hexdigest()


@dataclass(frozen=True)
class Tuned:
    """Contents of a database for a target: the best tiles, whole networks that were timed, and the digest of all
    records that these were chosen from."""

    best: Mapping[Workload, Best]
    networks: tuple[NetworkRecord, ...]
    digest: str


def read_best(folder: Path, target: Target, optimize: Optimize = SPEED) -> Tuned:
    """Read what a folder of records has for ``target``, with kernels chosen for ``optimize``.

    Raises:
        ConfigError: there is no such folder, or it can't be read.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no database: it is not a folder; rdpass tune writes one")
    contents = [line.content for line in read_folder(folder)]
    tiles = usable((content for content in contents if isinstance(content, Record)), target, optimize)
    networks = usable((content for content in contents if isinstance(content, NetworkRecord)), target, optimize)
    machine = machine_of(target, optimize)
    possible = tuple(record for record in networks if _is_possible(record, machine))
    return Tuned(best_tiles(tiles, target, optimize), possible, digest([*tiles, *networks]))
