"""What is said of a run: a line for each trial, the most frequent failures, and times that scatter."""

from __future__ import annotations

from collections import Counter

import pytest

from rdpass.tuning.notes import described, note_failures, note_spread, reason_of
from rdpass.tuning.outcome import Rejected, Unknown
from rdpass.tuning.search import Search

from .made_trials import record, tasks, timing, trial


class Notes:
    def __init__(self) -> None:
        self.said: list[str] = []

    def step(self, done: int, text: str) -> None:
        raise AssertionError("a note is no step")

    def note(self, text: str) -> None:
        self.said.append(text)


def test_a_trial_is_told_by_template_and_ratio_with_what_was_gained_so_far() -> None:
    search = Search(tasks(record(0, 0.5)), 9, 1.5, confirms=False)
    assert described(search, trial(), record(0, 0.5)).endswith(
        ": 0.50 of the default's time; faster tiles for 1 of 2 workloads"
    )
    for nothing in (None, record(1, None)):
        assert ": no result; faster tiles for 1 of 2 workloads" in described(search, trial(), nothing)


def test_a_time_has_no_reason_and_what_has_none_has_one() -> None:
    assert reason_of(timing(0.5)) == ""
    assert reason_of(Rejected("wrong")) == "wrong"
    assert reason_of(Unknown("silent")) == "silent"


def test_the_three_most_frequent_reasons_are_told() -> None:
    notes = Notes()
    note_failures(notes, Counter({"a": 1, "b": 7, "c": 3, "d": 2}))
    assert notes.said == [f"{n} of the tiles could not be used: {why}" for n, why in ((7, "b"), (3, "c"), (2, "d"))]


@pytest.mark.parametrize(("spreads", "said"), [((), False), ((0.1, 0.2, 0.9), False), ((0.1, 0.4, 0.5), True)])
def test_times_that_scatter_on_the_whole_are_told(spreads: tuple[float, ...], said: bool) -> None:
    notes = Notes()
    records = [record(number, 0.9, spread=spread) for number, spread in enumerate(spreads)]
    note_spread(notes, Search(tasks(*records, record(9, None)), 9, 1.5, confirms=False))
    assert bool(notes.said) == said
    assert all("median 40%" in line for line in notes.said)
