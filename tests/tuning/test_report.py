"""What is reported of a run: the best tile of each workload, sums over all calls, estimates called that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdpass.database.choice import Verdict
from rdpass.kernels.choice import label
from rdpass.tuning.report import Tuning, summarise

from .made_trials import LARGE, RPI4, SMALL, record, tasks

VERDICT = Verdict("default", 0, "nothing was timed")


def summed(*records) -> Tuning:
    return summarise(tasks(*records), RPI4, "host", 3, VERDICT)


def test_a_workload_without_trials_keeps_its_default_and_has_no_time():
    tuning = summed()
    assert [w.workload for w in tuning.workloads] == [LARGE, SMALL]
    assert all((w.tile, w.seconds, w.trials, w.failed) == (w.default, None, 0, 0) for w in tuning.workloads)
    assert (tuning.seconds, tuning.default_seconds, tuning.trials, tuning.estimated) == (0.0, 0.0, 0, False)


def test_the_fastest_tile_counts_in_all_its_places():
    tuning = summed(record(0, 0.8), record(1, 0.5), record(2, 1.5), record(3, None), record(0, 0.75, task=1))
    large, small = tuning.workloads
    assert (large.tile, large.calls, large.trials, large.failed) == (tasks()[0].ranked[1].tile, 2, 4, 1)
    assert large.template == label(large.tile)
    assert (small.seconds, small.default_seconds) == pytest.approx((0.75e-3, 1e-3))
    assert tuning.seconds == pytest.approx(2 * 0.5e-3 + 0.75e-3)
    assert tuning.default_seconds == pytest.approx(3e-3)
    assert (tuning.trials, tuning.fresh, tuning.network) == (5, 3, VERDICT)


def test_where_every_tile_is_slower_the_default_stays():
    (large, _) = summed(record(0, 1.5), record(1, 1.2)).workloads
    assert (large.tile, large.seconds, large.default_seconds, large.trials) == (large.default, 1e-3, 1e-3, 2)


def test_a_gain_that_is_an_estimate_is_called_that_until_it_was_measured():
    estimate = replace(record(0, 0.5), method="mca")
    assert summed(estimate).estimated
    assert not summed(estimate, record(0, 0.9)).estimated
