"""Count what a database folder holds, by target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rdpass.database.lines import Finding, read_folder
from rdpass.database.record import NetworkRecord, Record, Stale
from rdpass.database.record_line import Content
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload


@dataclass(frozen=True)
class TargetStatistics:
    """The records of one target. ``stale``: of other kernel sources than today's, and so of no use.

    ``measured``, ``estimated`` and ``failed``, which can't be used, are tiles tried. ``workloads``: those with
    a time, measured or estimated. ``networks``: records of whole networks that were timed with tiles and without.
    """

    target: str
    name: str
    records: int
    measured: int
    estimated: int
    failed: int
    stale: int
    workloads: int
    networks: int


def statistics(folder: Path) -> tuple[TargetStatistics, ...]:
    """By target, in the order of their names.

    Raises:
        ConfigError: ``folder`` is no folder, or can't be read.
    """
    by_target: dict[tuple[str, str], list[Content]] = {}
    for line in read_folder(folder):
        if not isinstance(line.content, Finding):
            by_target.setdefault((line.content.target_name, line.content.target), []).append(line.content)
    return tuple(_of_target(*key, records) for key, records in sorted(by_target.items()))


def _of_target(name: str, key: str, records: list[Content]) -> TargetStatistics:
    current = [record for record in records if isinstance(record, Record)]
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
        stale=sum(isinstance(record, Stale) for record in records),
        workloads=len(timed),
        networks=sum(isinstance(record, NetworkRecord) for record in records),
    )
