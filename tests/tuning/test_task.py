"""Tasks: a workload with a choice, its tiles in order, what is left of them, and which was best."""

from __future__ import annotations

from dataclasses import replace

import onnx
import pytest

from rdpass.core.errors import ConfigError
from rdpass.kernels.choice import rank_tiles
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.match.find_workloads import Occurrence
from rdpass.tuning.task import make_tasks, read_network

from .conftest import tiny_net
from .made_trials import LARGE, MACHINE, RPI4, SMALL, record, tasks


def test_tiles_are_ranked_and_the_default_stands_apart() -> None:
    (large, small) = tasks()
    assert [large.default, *large.ranked] == list(rank_tiles(LARGE, MACHINE))
    assert (large.workload, small.workload) == (LARGE, SMALL)
    assert large.left == list(large.ranked)
    assert large.best is None


def test_what_was_tried_or_is_under_way_is_not_left() -> None:
    (large, small) = tasks(record(0), record(2, None))
    large.out.add(large.ranked[1].tile)
    assert large.left == list(large.ranked[3:])
    assert large.tried == {large.ranked[0].tile, large.ranked[2].tile}
    assert small.left == list(small.ranked)


def test_the_best_is_the_fastest_that_beats_the_default() -> None:
    assert tasks(record(0, 1.5), record(1, None))[0].best is None
    assert tasks(record(0, 0.9), record(1, 0.4), record(2, 0.6))[0].best == record(1, 0.4)


def test_a_winner_that_was_timed_again_counts_as_it_was_then() -> None:
    again = replace(record(1, 0.95), repeats=30)
    assert tasks(record(0, 0.9), record(1, 0.4), again)[0].best == record(0, 0.9)


def test_time_is_the_defaults_as_found_or_as_estimated_in_all_places() -> None:
    (large, small) = tasks(record(0, 0.5))
    assert large.seconds(1.5) == pytest.approx(2 * 1e-3)
    assert small.seconds(1.5) == pytest.approx(small.default.cycles / 1.5e9)
    assert small.seconds(0.0) == pytest.approx(small.default.cycles / 1e9)


def test_records_of_workloads_that_the_network_lacks_are_left_out() -> None:
    (small,) = make_tasks([Occurrence(SMALL, (), 1)], MACHINE, [record(0), record(0, task=1)])
    assert small.records == [record(0, task=1)]


def test_a_network_is_read_with_its_workloads() -> None:
    network = read_network(read_onnx(tiny_net()), RPI4)
    assert sorted(found.calls for found in network.workloads) == [1, 3]


def test_a_model_that_tvm_does_not_know_is_refused() -> None:
    text = '<ir_version: 9, opset_import: ["" : 18]> net (float[1, 3, 3] x) => (float[1] y) { y = Det(x) }'
    with pytest.raises(ConfigError, match="Det"):
        read_network(read_onnx(onnx.parser.parse_model(text)), RPI4)


def test_a_network_is_read_as_its_kernels_are_chosen() -> None:
    assert read_network(read_onnx(tiny_net()), RPI4, optimize="size").optimize == "size"
