"""Trial by trial: the search picks a tile, it is timed beside the default, and the search takes in what came of it."""

from __future__ import annotations

import time
from collections import Counter

from rdpass.core.errors import DeviceError, TargetError
from rdpass.database.record import Method, NetworkRecord
from rdpass.tuning.notes import described, note_failures, note_spread, reason_of
from rdpass.tuning.search import Search
from rdpass.tuning.session import Session
from rdpass.tuning.task import Trial

_SEARCHING = 0.85  # of the time there is; the rest is for winners


def search_tiles(session: Session, search: Search, seconds: float | None) -> None:
    """Make the trials that ``search`` hands out, for ``seconds``.

    Raises:
        TargetError, DeviceError: no tile at all could be used.
    """
    begun, reasons, shown = time.monotonic(), Counter[str](), session.shown

    def take() -> Trial | None:
        spent = 0.0 if seconds is None else (time.monotonic() - begun) / seconds
        if spent >= _SEARCHING:
            search.stop()
        return None if spent >= 1.0 else search.next()

    for trial, outcome, record in session.measure(take):
        assert not isinstance(record, NetworkRecord)
        if record is None or record.failure is not None:
            reasons[reason_of(outcome)] += 1
        search.finish(trial, record)
        shown.step(search.done, described(search, trial, record))
    note_failures(shown, reasons)
    note_spread(shown, search)
    _check_found(search, session.measurer.method, reasons)


def _check_found(search: Search, method: Method, reasons: Counter[str]) -> None:
    if any(record.ratio is not None for task in search.tasks for record in task.records):
        return
    why = reasons.most_common(1)[0][0] if reasons else "the time was over before the first was measured"
    kind = DeviceError if method == "rpc" else TargetError
    raise kind(f"tuning found nothing: of {sum(reasons.values())} tiles none could be used: {why}")
