"""A session: what is learnt is recorded before anybody hears of it, and a signal ends it between two trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rdpass.core.interruption import Interrupted, Interruption
from rdpass.core.progress import Silent
from rdpass.database.folder import read_records
from rdpass.tuning.outcome import Outcome, Rejected, Unknown
from rdpass.tuning.session import Session

from .made_trials import RPI4, timing, trial


class Given:
    """Gives outcomes in turn, one for each trial."""

    method = "host"

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)

    def measure(self, take: Callable[[], Any], check: Callable[[], None]) -> Iterator[Any]:
        while (given := take()) is not None:
            check()
            yield given, self.outcomes.pop(0)


def session(folder: Path, *outcomes: Outcome) -> Session:
    return Session(Given(*outcomes), RPI4, folder, Silent(), Interruption(deferred=True))  # type: ignore[arg-type]


def taking(count: int) -> Callable[[], Any]:
    waiting = [trial(number) for number in range(count)]
    return lambda: waiting.pop(0) if waiting else None


def test_times_and_failures_are_recorded_and_what_nobody_knows_is_not(tmp_path: Path) -> None:
    running = session(tmp_path, timing(0.5), Unknown("a board went away"), Rejected("it crashed"))
    seen = []
    for given, _, kept in running.measure(taking(3)):
        assert read_records(tmp_path)[-1:] == ([kept] if kept else seen[-1:])
        seen += [kept] if kept else []
        assert kept is None or kept.tile == given.tile
    assert read_records(tmp_path) == seen
    assert [record.failure for record in seen] == [None, "it crashed"]
    assert running.added == 2


def test_a_signal_ends_it_behind_the_trial_that_is_under_way(tmp_path: Path) -> None:
    running = session(tmp_path, timing(0.5), timing(0.6))
    with pytest.raises(Interrupted) as caught:  # noqa: PT012
        for _ in running.measure(taking(2)):
            running.interruption.pending = 15
    assert caught.value.number == 15
    assert (running.added, len(read_records(tmp_path))) == (1, 1)


def test_a_signal_that_came_before_begins_nothing(tmp_path: Path) -> None:
    running = session(tmp_path)
    running.interruption.pending = 2
    with pytest.raises(Interrupted):
        next(iter(running.measure(taking(1))))
    assert not list(tmp_path.iterdir())
