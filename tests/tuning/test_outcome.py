"""Outcomes: other numbers are rejected, and what a record keeps of a time or of a failure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdpass.core.numeric_types import Precision
from rdpass.database.keys import code_key, network_key, target_key
from rdpass.database.record import NetworkRecord, Record, check_timed
from rdpass.tuning.job import Timing
from rdpass.tuning.outcome import Rejected, allowed_error, judged, record_of

from .made_trials import RPI4, timing, trial
from .network_trial import network_trial


@pytest.mark.parametrize(("error", "kept"), [(0.0, True), (1e-4, True), (1.01e-4, False), (0.5, False)])
def test_a_tile_of_other_numbers_is_rejected_however_fast_it_is(error: float, kept: bool) -> None:
    fast = timing(0.01, error=error)
    outcome = judged(fast, allowed_error(trial()))
    if kept:
        assert outcome is fast
    else:
        assert isinstance(outcome, Rejected)
        assert "numbers differ from those expected by" in outcome.reason


def test_numbers_that_are_none_are_rejected() -> None:
    assert isinstance(judged(timing(0.5, error=float("nan")), 1.0), Rejected)
    assert isinstance(judged(timing(0.5, error=float("inf")), 1.0), Rejected)


@pytest.mark.parametrize(("precision", "allowed"), [("float32", 1e-4), ("fp16", 2e-2), ("int8", 5e-2)])
def test_a_network_may_be_off_as_far_as_its_precision_is(precision: Precision, allowed: float) -> None:
    given = network_trial(RPI4)
    given = replace(given, network=replace(given.network, precision=precision))
    assert isinstance(judged(timing(0.5, error=allowed), allowed_error(given)), Timing)
    assert isinstance(judged(timing(0.5, error=1.01 * allowed), allowed_error(given)), Rejected)


def test_a_record_has_the_keys_the_tile_and_the_times() -> None:
    found = record_of(trial(2), Timing(2e-3, 4e-3, 9, 0.25, 1e-7), RPI4, "rpc")
    assert isinstance(found, Record)
    assert (found.target, found.target_name, found.code, found.method) == (target_key(RPI4), "rpi4", code_key(), "rpc")
    assert (found.workload, found.tile) == (trial(2).workload, trial(2).tile)
    assert (found.seconds, found.default_seconds, found.repeats, found.spread) == (2e-3, 4e-3, 9, 0.25)
    assert found.ratio == 0.5
    check_timed(found)


def test_a_failure_has_its_reason_and_no_time() -> None:
    found = record_of(trial(), Rejected("it crashed"), RPI4, "host")
    assert (found.seconds, found.default_seconds, found.failure, found.ratio) == (None, None, "it crashed", None)
    check_timed(found)


def test_a_network_is_recorded_by_its_key_with_its_tiles() -> None:
    given = network_trial(RPI4)
    found = record_of(given, timing(0.75), RPI4, "mca")
    assert isinstance(found, NetworkRecord)
    assert (found.network, found.tiles) == (network_key(given.network.workloads), given.tiles)
    assert found.is_estimate


def test_a_record_of_another_choice_of_defaults_has_its_own_key_and_says_so() -> None:
    found = record_of(trial(), timing(0.5), RPI4, "rpc", "size")
    assert (found.target, found.target_name) == (target_key(RPI4, "size"), "rpi4 size")
