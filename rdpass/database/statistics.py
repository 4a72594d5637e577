"""What a folder holds, counted by target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rdpass.database.folder import read_records
from rdpass.database.keys import code_key
from rdpass.database.record import Record
from rdpass.kernels.schedule import Tile
from rdpass.kernels.workload import Workload


@dataclass(frozen=True)
class TargetStatistics:
    """The records of one target. ``stale``: of other kernel sources than today's, and so of no use.

    ``failed``: tiles that were tried and can't be used. ``workloads``: those with a time, measured or estimated.
    """

    target: str
    name: str
    records: int
    measured: int
    estimated: int
    failed: int
    stale: int
    workloads: int


def statistics(folder: Path) -> tuple[TargetStatistics, ...]:
    """By target, in the order of their names.

    Raises:
        ConfigError: ``folder`` is no folder, or can't be read.
    """
    by_target: dict[tuple[str, str], list[Record]] = {}
    for record in read_records(folder):
        by_target.setdefault((record.target_name, record.target), []).append(record)
    return tuple(_of_target(*key, records) for key, records in sorted(by_target.items()))


def _of_target(name: str, key: str, records: list[Record]) -> TargetStatistics:
    current = [record for record in records if record.code == code_key()]
    timed: dict[Workload, set[Tile]] = {}
    for record in current:
        if record.seconds is not None:
            timed.setdefault(record.workload, set()).add(record.tile)
    return TargetStatistics(
        target=key,
        name=name,
        records=len(records),
        measured=sum(record.seconds is not None and not record.is_estimate for record in current),
        estimated=sum(record.seconds is not None and record.is_estimate for record in current),
        failed=sum(record.seconds is None for record in current),
        stale=len(records) - len(current),
        workloads=len(timed),
    )
