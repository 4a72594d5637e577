"""Which records count, and which tile they choose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdpass.database.best import best_tiles, digest, usable
from rdpass.database.keys import target_key
from rdpass.kernels.choice import choose_default, rank_tiles
from rdpass.kernels.machine import machine_of
from rdpass.kernels.templates.pointwise import PointwiseTile
from rdpass.targets.lookup import find_target

from .records import RPI4, WORK, record

DEFAULT = choose_default(WORK, machine_of(RPI4))
OTHER, THIRD = (ranked.tile for ranked in rank_tiles(WORK, machine_of(RPI4))[1:3])


def _best(*records):
    return best_tiles(usable(records, RPI4), RPI4).get(WORK)


def test_the_tile_that_gains_most_over_the_default_beside_it_wins():
    """On a slow day both take longer."""
    best = _best(record(tile=OTHER, seconds=1.0, default_seconds=2.0), record(tile=THIRD, seconds=0.9))
    assert (best.tile, best.seconds, best.default_seconds) == (OTHER, 1.0, 2.0)


def test_the_default_is_kept_where_nothing_is_faster():
    best = _best(record(tile=OTHER, seconds=1.0), record(tile=THIRD, seconds=1.5))
    assert (best.tile, best.ratio) == (DEFAULT, 1.0)


def test_a_time_of_more_repeats_takes_the_place_of_a_lucky_one_in_either_order():
    lucky, settled = record(tile=OTHER, seconds=0.1, repeats=3), record(tile=OTHER, seconds=3.0, repeats=90)
    assert _best(lucky, settled).tile == _best(settled, lucky).tile == DEFAULT


def test_a_measurement_comes_before_an_estimate_however_short():
    estimate = record(tile=OTHER, seconds=1e-9, method="mca")
    assert _best(estimate).is_estimate
    assert _best(estimate).tile == OTHER
    best = _best(estimate, record(tile=THIRD, seconds=0.5))
    assert (best.tile, best.is_estimate) == (THIRD, False)


@pytest.mark.parametrize("change", [{"target": "0" * 12}, {"code": "0" * 12}], ids=["target", "kernels"])
def test_records_of_another_target_or_of_other_kernels_are_not_used(change):
    assert _best(record(tile=OTHER, seconds=1e-9, **change)) is None


def test_a_tile_that_the_templates_do_not_offer_is_not_used():
    best = _best(record(tile=PointwiseTile(400, 9, 7, 5), seconds=0.1), record(tile=OTHER, seconds=0.5))
    assert best.tile == OTHER


def test_a_failed_tile_is_not_used():
    failed = record(tile=OTHER, seconds=None, failure="wrong numbers")
    assert _best(failed) is None
    assert _best(failed, record(tile=THIRD, seconds=0.9)).tile == THIRD


def test_a_targets_key_is_what_it_computes_on_and_not_its_name():
    assert target_key(replace(RPI4, name="my board", figures="mine")) == target_key(RPI4)
    for change in ({"cores": 1}, {"l2_bytes": 1}, {"cpu": "cortex-a53"}, {"dram_gbps": 1.0}):
        assert target_key(replace(RPI4, **change)) != target_key(RPI4)
    assert target_key(find_target("rpi5")) != target_key(RPI4)


def test_the_digest_is_of_what_was_measured_whatever_its_order():
    one, two = record(0), record(1)
    assert digest([one, two]) == digest([two, one, two]) != digest([one])


def test_tiles_beside_a_default_of_another_choice_are_not_used_and_speeds_key_is_as_ever():
    assert target_key(RPI4, "speed") == target_key(RPI4)
    assert len({target_key(RPI4, optimize) for optimize in ("speed", "balanced", "size")}) == 3
    small = record(tile=OTHER, seconds=0.5, target=target_key(RPI4, "size"))
    assert usable([small], RPI4) == []
    assert usable([small], RPI4, "size") == [small]
    assert usable([record(tile=OTHER, seconds=0.5)], RPI4, "size") == []
