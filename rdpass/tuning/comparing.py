"""The whole network with its tuned tiles beside itself without: tiles that win one by one may lose together.

1. It is timed with every tile that is faster than its default.
2. If it is not faster with these, it is timed with the half of them that gain most, then with half of that half.
3. What was timed before is not timed again, unless that is all that is wanted.

Every time is a record; ``database.choice`` makes the verdict of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from rdpass.database.best import Tuned, comparable, read_best
from rdpass.database.choice import faster_tiles, timed_whole
from rdpass.database.record import NetworkRecord, Selection, selection_of
from rdpass.tuning.notes import reason_of
from rdpass.tuning.session import Session
from rdpass.tuning.task import Network, NetworkTrial

ROUNDS = 10
_SELECTIONS = 3


def compare_network(session: Session, network: Network, again: bool) -> None:
    """Time ``network`` with tiles of the database until it is faster with some of them, or they are too few.

    ``again``: even if it was timed with them.

    Raises:
        TargetError, DeviceError: nothing can be measured any more.
    """
    tuned = read_best(session.folder, session.target, session.optimize)
    methods = comparable(session.measurer.method)
    known = timed_whole((record for record in tuned.networks if record.method in methods), network.workloads)
    for tiles in selections(tuned, network):
        record = (None if again else known.get(tiles)) or _timed(session, network, tiles)
        if record is None or record.is_faster:
            return


def selections(tuned: Tuned, network: Network) -> Iterator[Selection]:
    """All tiles that are faster than their defaults, the half that gain most, and half of that half."""
    found = faster_tiles(tuned, network.workloads)
    for halved in range(_SELECTIONS):
        if kept := found[: len(found) >> halved]:
            yield selection_of({work: best.tile for work, best in kept})


def _timed(session: Session, network: Network, tiles: Selection) -> NetworkRecord | None:
    session.shown.note(f"timing the whole network, with {len(tiles)} tuned tiles and without")
    waiting = [NetworkTrial(network, tiles, ROUNDS)]
    ((_, outcome, record),) = session.measure(lambda: waiting.pop() if waiting else None)
    if isinstance(record, NetworkRecord):
        return record
    session.shown.note(f"the whole network could not be timed: {reason_of(outcome)}")
    return None
