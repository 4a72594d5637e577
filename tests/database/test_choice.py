"""A network is built with tuned tiles only where it was not slower with them as a whole; the reason is always told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rdpass.database.best import read_best
from rdpass.database.choice import Choice, choose_tiles, faster_tiles
from rdpass.database.folder import add_records
from rdpass.database.keys import network_key
from rdpass.database.record import selection_of
from rdpass.kernels.choice import rank_tiles
from rdpass.kernels.machine import machine_of
from rdpass.kernels.templates.pointwise import PointwiseTile
from rdpass.passes.lowering.match.find_workloads import Occurrence

from .records import RPI4, WORK, network_record, record

WIDE = replace(WORK, filters=48)
NETWORK = (Occurrence(WORK, (), 1), Occurrence(WIDE, (), 3))
FIRST, SECOND = ({work: rank_tiles(work, machine_of(RPI4))[number].tile for work in (WORK, WIDE)} for number in (1, 2))
TUNED = [record(workload=work, tile=tile, seconds=0.5) for work, tile in FIRST.items()]


def whole(seconds=0.8, tiles=FIRST, network=NETWORK, **changes):
    return network_record(network=network_key(network), tiles=selection_of(tiles), seconds=seconds, **changes)


@pytest.fixture
def chosen(tmp_path: Path):
    """What ``NETWORK`` is built with by a folder of some records."""

    def choose(*records) -> Choice:
        add_records(tmp_path, records)
        return choose_tiles(read_best(tmp_path, RPI4), NETWORK)

    return choose


def test_tiles_of_a_network_that_was_never_timed_are_used_and_it_is_said(chosen):
    choice = chosen(*TUNED)
    assert choice.tiles == FIRST
    assert (choice.verdict.built, choice.verdict.tiles, choice.verdict.seconds) == ("tuned", 2, None)
    assert "never timed with 2 tuned tiles and without (rdpass tune --trials 0" in choice.verdict.reason


def test_without_a_faster_tile_there_is_nothing_to_choose(chosen):
    choice = chosen(record(seconds=2.0))
    assert (choice.tiles, choice.verdict.built) == ({}, "default")
    assert "no tile is known to be faster" in choice.verdict.reason


def test_tiles_with_which_the_network_was_faster_are_used(chosen):
    choice = chosen(*TUNED, whole(0.8))
    assert choice.tiles == FIRST
    verdict = choice.verdict
    assert (verdict.built, verdict.method, verdict.seconds, verdict.default_seconds) == ("tuned", "rpc", 0.8, 1.0)
    assert verdict.reason == "800.000 ms with 2 tuned tiles, 1000.000 ms without, timed on a board: built with them"


@pytest.mark.parametrize("seconds", [1.0, 1.2])
def test_tiles_with_which_the_network_was_not_faster_are_not_used_however_fast_each_is(chosen, seconds):
    choice = chosen(*TUNED, whole(seconds))
    assert (choice.tiles, choice.verdict.built, choice.verdict.tiles) == ({}, "default", 0)
    assert choice.verdict.reason.endswith("timed on a board: built without them")


def test_where_some_of_the_tiles_win_these_are_used(chosen):
    some = {WIDE: FIRST[WIDE]}
    choice = chosen(*TUNED, whole(1.2), whole(0.9, some))
    assert (choice.tiles, choice.verdict.tiles) == (some, 1)
    assert "since" not in choice.verdict.reason


def test_tiles_found_since_are_not_used_before_the_network_was_timed_with_them(chosen):
    better = [record(workload=work, tile=tile, seconds=0.1) for work, tile in SECOND.items()]
    choice = chosen(*TUNED, whole(0.8), *better)
    assert choice.tiles == FIRST
    assert choice.verdict.reason.endswith("other tiles were found since (rdpass tune --trials 0 compares them)")
    assert chosen(whole(0.7, SECOND)).tiles == SECOND


@pytest.mark.parametrize(
    "change",
    [
        {"target": "0" * 12},
        {"code": "0" * 12},
        {"network": NETWORK[:1]},
        {"network": (NETWORK[0], replace(NETWORK[1], calls=2))},
    ],
    ids=["another target", "other kernels", "a part of it", "other numbers of calls"],
)
def test_what_was_found_of_something_else_does_not_count(chosen, change):
    choice = chosen(*TUNED, whole(5.0, **change))
    assert choice.tiles == FIRST
    assert "never timed" in choice.verdict.reason


def test_a_measurement_comes_before_an_estimate_however_short(chosen):
    assert chosen(*TUNED, whole(1e-6, method="mca")).verdict.reason.endswith("estimated: built with them")
    assert chosen(whole(1.2)).tiles == {}


def test_of_several_times_with_the_same_tiles_the_quietest_counts_in_either_order(chosen):
    quiet, noisy = whole(1.1, spread=0.01), whole(0.5, spread=0.9)
    assert chosen(*TUNED, quiet, noisy).tiles == {}
    assert chosen(noisy, quiet).tiles == {}


def test_tiles_with_which_the_network_fails_are_not_used(chosen):
    choice = chosen(*TUNED, whole(None, failure="wrong numbers"))
    assert choice.tiles == {}
    assert choice.verdict.reason.endswith("can't be used: wrong numbers")
    assert chosen(whole(0.9)).tiles == FIRST


def test_a_network_with_tiles_that_the_templates_do_not_offer_is_not_believed(chosen):
    assert chosen(*TUNED, whole(1e-6, {WORK: PointwiseTile(400, 9, 7, 5)})).tiles == FIRST


def test_the_tiles_that_gain_most_of_an_inference_come_first(tmp_path):
    add_records(tmp_path, [record(workload=w, tile=FIRST[w], seconds=s) for w, s in ((WORK, 0.5), (WIDE, 0.7))])
    found = faster_tiles(read_best(tmp_path, RPI4), NETWORK)
    assert [work for work, _ in found] == [WIDE, WORK]


def test_a_networks_key_is_of_its_workloads_and_their_places_alone():
    trained = tuple(replace(found, constants=(np.ones(3),)) for found in reversed(NETWORK))
    assert network_key(trained) == network_key(NETWORK)
    assert network_key(NETWORK[:1]) != network_key(NETWORK)
