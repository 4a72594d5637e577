"""Progress messages of a tuning run."""

from __future__ import annotations

from collections import Counter

from rdpass.core.progress import Progress
from rdpass.database.record import Record
from rdpass.kernels.choice import label
from rdpass.tuning.outcome import Outcome
from rdpass.tuning.search import Search
from rdpass.tuning.task import Trial

_BUSY = 0.3  # a spread that an idle machine has not


def described(search: Search, trial: Trial, record: Record | None) -> str:
    """A trial and how far the search is, in a line."""
    found = "no result" if record is None or record.ratio is None else f"{record.ratio:.2f} of the default's time"
    gained = sum(task.best is not None for task in search.tasks)
    return f"{label(trial.tile)}: {found}; faster tiles for {gained} of {len(search.tasks)} workloads"


def reason_of(outcome: Outcome) -> str:
    """The reason why there is no time; nothing where there is one."""
    return getattr(outcome, "reason", "")


def note_failures(shown: Progress, reasons: Counter[str]) -> None:
    """The most frequent reasons why tiles could not be used."""
    for reason, count in reasons.most_common(3):
        shown.note(f"{count} of the tiles could not be used: {reason}")


def note_spread(shown: Progress, search: Search) -> None:
    """Note times that scatter as they do where something else runs."""
    spreads = sorted(record.spread for task in search.tasks for record in task.records if record.ratio is not None)
    middle = spreads[len(spreads) // 2] if spreads else 0.0
    if middle > _BUSY:
        shown.note(f"a tile's times scatter (median {middle:.0%}): something else was running; tune where nothing is")
