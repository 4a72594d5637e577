"""Records of trials: what follows from their times, and which times can be none."""

from __future__ import annotations

from typing import Any

import pytest

from rdpass.database.record import check_timed, selection_of
from rdpass.kernels.templates.pointwise import PointwiseTile

from .records import WORK, network_record, record


@pytest.mark.parametrize(
    ("seconds", "default", "ratio", "faster"),
    [(0.5, 1.0, 0.5, True), (1.0, 1.0, 1.0, False), (2.0, 1.0, 2.0, False), (None, None, None, False)],
)
def test_the_ratio_is_its_time_over_the_defaults(
    seconds: float | None, default: float | None, ratio: float | None, faster: bool
) -> None:
    for one in (record, network_record):
        found = one(seconds=seconds, default_seconds=default)
        assert (found.ratio, found.is_faster) == (ratio, faster)


@pytest.mark.parametrize(("method", "estimate"), [("host", False), ("rpc", False), ("mca", True)])
def test_only_what_was_not_run_is_an_estimate(method: str, estimate: bool) -> None:
    assert record(method=method).is_estimate == estimate
    check_timed(record(method=method))


def test_equal_tiles_are_equal_selections_in_any_order() -> None:
    works = [record().workload, *(type(WORK)(1, 8, filters, 6, 6, (1, 1)) for filters in (8, 16))]
    tiles = {work: PointwiseTile(index + 1, 1, 36, 1) for index, work in enumerate(works)}
    assert selection_of(tiles) == selection_of(dict(reversed(tiles.items())))
    assert dict(selection_of(tiles)) == tiles
    assert selection_of({}) == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"method": "guess"}, "an unknown method"),
        ({"repeats": 0}, "out of range"),
        ({"repeats": True}, "out of range"),
        ({"spread": float("nan")}, "out of range"),
        ({"seconds": 0.0}, "is not between"),
        ({"seconds": -1.0}, "is not between"),
        ({"seconds": float("inf")}, "is not between"),
        ({"default_seconds": None}, "is not between"),
        ({"seconds": "fast"}, "is not between"),
        ({"failure": "wrong numbers"}, "a failure that is no text, too long, or has a time"),
        ({"failure": 5, "seconds": None}, "a failure that is no text, too long, or has a time"),
    ],
)
def test_fields_out_of_range_are_refused(changes: dict[str, Any], reason: str) -> None:
    for one in (record, network_record):
        with pytest.raises(ValueError, match=reason):
            check_timed(one(**changes))


def test_a_failure_without_times_is_a_record() -> None:
    check_timed(record(seconds=None, failure="wrong numbers"))
