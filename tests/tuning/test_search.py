"""Which tiles are tried: every workload, heavy ones more, none twice, lucky winners again."""

from __future__ import annotations

from collections import Counter

import pytest

from rdpass.database.record import Record
from rdpass.kernels.choice import is_tile_of, label, rank_tiles
from rdpass.kernels.machine import machine_of
from rdpass.kernels.templates.apart import ApartTile
from rdpass.kernels.templates.direct import DirectTile
from rdpass.kernels.templates.pointwise import PointwiseTile
from rdpass.kernels.templates.winograd import WinogradTile
from rdpass.kernels.workload import Convolution, Epilogue, Head, PointwisePair, Pooling, Stem
from rdpass.passes.lowering.match.find_workloads import Occurrence
from rdpass.targets.lookup import PRESETS, find_target
from rdpass.tuning.job import Timing
from rdpass.tuning.outcome import record_of
from rdpass.tuning.search import ENOUGH, MORE_ROUNDS, ROUNDS, Search
from rdpass.tuning.task import Task, Trial, make_tasks

RPI4 = find_target("rpi4")
MACHINE = machine_of(RPI4)
LARGE = Convolution(1, 64, 64, 56, 56, (3, 3), padding=(1, 1, 1, 1), epilogue=Epilogue("relu"))
STRIDED = Convolution(1, 64, 128, 56, 56, (3, 3), (2, 2), (1, 1, 1, 1), epilogue=Epilogue("relu"))
SMALL = Convolution(1, 16, 16, 12, 12, (1, 1))
WORKS = (LARGE, SMALL)
PAIR = PointwisePair(Convolution(1, 16, 64, 14, 14, (1, 1)), Convolution(1, 64, 16, 14, 14, (1, 1)))
POOL = Pooling(1, 64, 112, 112, "max", (3, 3), (2, 2), (1, 1, 1, 1))
STEM = Stem(Convolution(1, 3, 64, 224, 224, (7, 7), (2, 2), (3, 3, 3, 3)), POOL)


def _tasks(*works) -> tuple[Task, ...]:
    return make_tasks([Occurrence(work, (), 1) for work in works], MACHINE, [])


def _record(trial: Trial, ratio: float) -> Record:
    default = 1e-2 if trial.workload == LARGE else 1e-3
    return record_of(trial, Timing(default * ratio, default, 3 * trial.rounds, 0.1, 0.0), RPI4, "rpc")


def _play(search: Search, ratio) -> list[Trial]:
    made = []
    while (trial := search.next()) is not None:
        made.append(trial)
        search.finish(trial, _record(trial, ratio(trial)))
    return made


@pytest.mark.parametrize("target", PRESETS, ids=lambda target: target.name)
def test_every_workload_has_tiles_each_once_the_default_first(target):
    machine = machine_of(target)
    for work in (LARGE, STRIDED, SMALL, PAIR, STEM, POOL, Head(1, 512, 49, 1000)):
        tiles = [ranked.tile for ranked in rank_tiles(work, machine)]
        assert len(set(tiles)) == len(tiles) > 1
        assert all(is_tile_of(work, tile, machine) for tile in (tiles[0], tiles[1], tiles[-1]))


def test_the_first_tiles_are_the_best_looking_of_every_template():
    first = [ranked.tile for ranked in rank_tiles(LARGE, MACHINE)[:5]]
    assert {label(tile) for tile in first} == {"direct", "winograd2", "winograd4", "winograd4x2"}
    first = [ranked.tile for ranked in rank_tiles(STRIDED, MACHINE)[:5]]
    assert {label(tile) for tile in first} == {"direct", *(f"strided_winograd{outputs}" for outputs in (2, 3, 4))}
    assert any(isinstance(ranked.tile, ApartTile) for ranked in rank_tiles(PAIR, MACHINE)[:3])


def test_a_tile_of_another_template_or_out_of_range_is_none_of_a_workload():
    assert not is_tile_of(SMALL, DirectTile(), MACHINE)
    assert not is_tile_of(LARGE, WinogradTile(4, 99, 9, 1, 1), MACHINE)
    assert not is_tile_of(PAIR, ApartTile(PointwiseTile(99), PointwiseTile(8, 2, 196, 1)), MACHINE)


def test_every_workload_is_tried_and_the_heavy_ones_get_more():
    made = _play(Search(_tasks(*WORKS), 30, 1.5, confirms=False), lambda trial: 1.5)
    counts = Counter(trial.workload for trial in made)
    assert counts.total() == 30
    assert counts[LARGE] > 5 * counts[SMALL] >= 5
    assert len({(trial.workload, trial.tile) for trial in made}) == 30
    assert {made[0].workload, made[1].workload} == set(WORKS)


def test_what_was_recorded_before_counts_and_is_not_tried_again():
    first = _play(Search(_tasks(*WORKS), 10, 1.5, confirms=False), lambda trial: 1.5)
    records = [_record(trial, 1.5) for trial in first]
    tasks = make_tasks([Occurrence(work, (), 1) for work in WORKS], MACHINE, records)
    search = Search(tasks, 16, 1.5, confirms=False)
    assert search.done == 10
    second = _play(search, lambda trial: 1.5)
    assert len(second) == 6
    assert not {(t.workload, t.tile) for t in first} & {(t.workload, t.tile) for t in second}
    assert _play(Search(tasks, 16, 1.5, confirms=False), lambda trial: 1.5) == []


def test_a_winner_is_timed_again_and_gives_way_if_it_was_lucky():
    lucky = {}

    def ratio(trial: Trial) -> float:
        if trial.rounds == MORE_ROUNDS and trial.tile == lucky["tile"]:
            return 1.1
        lucky.setdefault("tile", trial.tile)
        return 0.5 if trial.tile == lucky["tile"] else 0.8

    tasks = _tasks(SMALL)
    made = _play(Search(tasks, 5, 1.5, confirms=True), ratio)
    assert [trial.rounds for trial in made[:6]] == [ROUNDS] * 5 + [MORE_ROUNDS]
    assert made[5].tile == lucky["tile"]
    assert tasks[0].best.tile != lucky["tile"]
    assert tasks[0].best.repeats == 3 * MORE_ROUNDS


def test_a_tile_of_which_nothing_is_known_is_left_alone_and_others_take_its_place():
    search = Search(_tasks(SMALL), 4, 1.5, confirms=False)
    unknown = search.next()
    search.finish(unknown, None)
    made = _play(search, lambda trial: 2.0)
    assert len(made) == 4
    assert unknown.tile not in [trial.tile for trial in made]


def test_after_it_was_stopped_nothing_new_is_tried():
    search = Search(_tasks(SMALL), 50, 1.5, confirms=True)
    trial = search.next()
    search.finish(trial, _record(trial, 0.5))
    search.stop()
    assert [again.rounds for again in _play(search, lambda trial: 0.5)] == [MORE_ROUNDS]


def test_the_search_finds_a_good_corner_that_the_estimate_hides():
    tasks = _tasks(LARGE)

    def ratio(trial: Trial) -> float:
        tile = trial.tile
        return 2.0 - 0.1 * tile.pixels if isinstance(tile, DirectTile) and tile.vectors == 1 else 3.0

    _play(Search(tasks, 8 * ENOUGH, 1.5, confirms=False), ratio)
    everything = [ranked.tile for ranked in tasks[0].ranked]
    corner = min(ratio(Trial(tasks[0].occurrence, tile, ROUNDS)) for tile in everything)
    assert tasks[0].best.ratio == pytest.approx(corner)
