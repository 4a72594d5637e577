"""Choose the tuned tiles that a network is built with: those found, if the whole network was faster with them.

1. ``faster_tiles`` are the best tiles of its workloads, where these are faster than the default.
2. Was the network never timed whole, it is built with all of them: each was faster by itself. The verdict says so.
3. Else only tiles count with which it was timed whole, beside itself with default tiles: those of the lowest ratio of
   both times, if that is below one, or none. The verdict says if other tiles have been found since.

Measurements come before estimates. Where it was timed several times with equal tiles the quietest time counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rdpass.database.best import METHODS, Best, Tuned
from rdpass.database.keys import network_key
from rdpass.database.record import Method, NetworkRecord, Selection, selection_of
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload
from rdpass.passes.lowering.match.find_workloads import Occurrence

_HOW = {"host": "timed here", "rpc": "timed on a board", "mca": "estimated"}
_COMPARE = "rdpass tune --trials 0 compares them"


@dataclass(frozen=True)
class Verdict:
    """Verdict on how a network is built: ``built`` with ``tiles`` tuned ones, or with default ones alone.

    ``seconds`` and ``default_seconds`` of the whole network, with tuned tiles and without, of ``repeats`` each, the
    shortest (``spread`` as in records); None where nobody timed it, by ``method``.
    """

    built: Literal["tuned", "default"]
    tiles: int
    reason: str
    method: Method | None = None
    seconds: float | None = None
    default_seconds: float | None = None
    repeats: int | None = None
    spread: float | None = None


@dataclass(frozen=True)
class Choice:
    """The tiles other than defaults that a network is built with, and the verdict on them."""

    tiles: Mapping[Workload, Tile] = field(repr=False)
    verdict: Verdict


def choose_tiles(tuned: Tuned, network: Sequence[Occurrence]) -> Choice:
    """Choose the tiles that ``network`` is built with, by what a database has for its target."""
    found = selection_of({work: best.tile for work, best in faster_tiles(tuned, network)})
    tried = timed_whole(tuned.networks, network)
    if not tried:
        return Choice(dict(found), Verdict("tuned" if found else "default", len(found), _untimed(found)))
    record = min(tried.values(), key=lambda record: (record.ratio or float("inf"), repr(record.tiles)))
    since = found not in tried and bool(found)
    return Choice(dict(record.tiles) if record.is_faster else {}, _verdict(record, since))


def faster_tiles(tuned: Tuned, network: Iterable[Occurrence]) -> list[tuple[Workload, Best]]:
    """The workloads of ``network`` that have a faster tile than the default, those that gain most of its time first."""
    gains = {
        found.workload: found.calls * (best.default_seconds - best.seconds)
        for found in network
        if (best := tuned.best.get(found.workload)) is not None and best.ratio < 1.0
    }
    return [(work, tuned.best[work]) for work in sorted(gains, key=lambda work: (-gains[work], repr(work)))]


def timed_whole(records: Iterable[NetworkRecord], network: Sequence[Occurrence]) -> dict[Selection, NetworkRecord]:
    """The record that counts for each selection of tiles that ``network`` was timed with."""
    key = network_key(network)
    own = [record for record in records if record.network == key]
    for methods in METHODS:
        chosen: dict[Selection, NetworkRecord] = {}
        for record in own:
            if record.method in methods:
                chosen[record.tiles] = min(chosen.get(record.tiles, record), record, key=_noise)
        if chosen:
            return chosen
    return {}


def _noise(record: NetworkRecord) -> tuple[bool, float, float]:
    """A failure counts only where there is no time; of equally quiet times, the worse one counts."""
    return record.ratio is None, record.spread, -(record.ratio or 0.0)


def _untimed(found: Selection) -> str:
    if not found:
        return "no tile is known to be faster than its default"
    return f"never timed with {len(found)} tuned tiles and without ({_COMPARE}): built with them, each faster by itself"


def _verdict(record: NetworkRecord, since: bool) -> Verdict:
    return Verdict(
        built="tuned" if record.is_faster else "default",
        tiles=len(record.tiles) if record.is_faster else 0,
        reason=_timed(record) + (f"; other tiles were found since ({_COMPARE})" if since else ""),
        method=record.method,
        seconds=record.seconds,
        default_seconds=record.default_seconds,
        repeats=record.repeats,
        spread=record.spread,
    )


def _timed(record: NetworkRecord) -> str:
    if record.seconds is None or record.default_seconds is None:
        return f"built without tuned tiles, with which it can't be used: {record.failure}"
    return (
        f"{1e3 * record.seconds:.3f} ms with {len(record.tiles)} tuned tiles, {1e3 * record.default_seconds:.3f} ms"
        f" without, {_HOW[record.method]}: built {'with' if record.is_faster else 'without'} them"
    )
