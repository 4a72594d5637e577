"""A tuned tile takes the default's place for its workload alone, a pair comes apart, and the numbers stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from rdpass.core.comparison import relative_error
from rdpass.deploy.lowering import build, import_onnx, lower_for, run_here
from rdpass.kernels.choice import choose_default
from rdpass.kernels.machine import machine_of
from rdpass.kernels.templates.apart import ApartTile
from rdpass.kernels.templates.direct import DirectTile
from rdpass.kernels.templates.pair import PairTile
from rdpass.kernels.templates.pointwise import PointwiseTile
from rdpass.kernels.workload import Convolution, PointwisePair
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.dataflow import read_dataflow
from rdpass.passes.lowering.match.choose_placements import ChosenPlacement, choose_placements
from rdpass.passes.lowering.memory.planned_memory import planned_memory
from rdpass.passes.lowering.pipeline import simplification
from rdpass.targets.lookup import host_target
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import kinds_of, lower_checked, workspace_of

HERE = host_target()


def _pair_with_shortcut() -> tuple[Any, Any, list[Any]]:
    """1x1, 1x1 with a shortcut around both, 3x3: an add whose map is a pair's own source."""
    net = Net((1, 16, 9, 7))
    x = net.relu(net.conv("x0", 16, 16, 3))
    y = net.conv(net.relu(net.conv(x, 16, 48)), 48, 16)
    source = read_onnx(net.model(net.conv(net.relu(net.add(y, x)), 16, 16, 3)))
    return import_onnx(source), source.model, net.example()


def _chosen(module: Any, tuned: Mapping[Any, Any]) -> dict[Any, ChosenPlacement]:
    import tvm

    simple = tvm.transform.Sequential(list(simplification(machine_of(HERE))))(module)
    return {s.workload: s for s in choose_placements(read_dataflow(simple["main"]), machine_of(HERE), tuned)}


@pytest.fixture(scope="module")
def given() -> tuple[Any, Any, list[Any]]:
    return _pair_with_shortcut()


def _names(lowered: Any) -> list[str]:
    return [variable.name_hint for variable in lowered.get_global_vars() if variable.name_hint.startswith("f32_")]


def _error(given: tuple[Any, Any, list[Any]], tuned: Mapping[Any, Any]) -> float:
    module, model, inputs = given
    (got,), (expected,) = run_here(build(module, HERE, tuned), inputs), run_onnx(model, inputs)
    return relative_error(got, expected)


def test_without_tuned_tiles_every_workload_has_its_default(given: Any) -> None:
    chosen = _chosen(given[0], {})
    assert {type(work).__name__ for work in chosen} == {"Convolution", "PointwisePair"}
    assert all(s.tile == choose_default(work, machine_of(HERE)) for work, s in chosen.items())


def test_a_tuned_tile_is_used_for_its_workload_alone(given: Any) -> None:
    before = _chosen(given[0], {})
    work = next(work for work in before if isinstance(work, Convolution))
    tuned = {work: DirectTile(3, 1, 2, 1)}
    after = _chosen(given[0], tuned)
    assert after[work].tile == tuned[work]
    assert all(after[other].tile == before[other].tile for other in before if other != work)
    assert any("direct" in name and "_3x1_" in name for name in _names(lower_for(given[0], HERE, tuned)))
    assert _error(given, tuned) <= 1e-5


def test_a_pair_that_was_tuned_to_come_apart_is_two_kernels_of_the_tiles_given(given: Any) -> None:
    pair = next(work for work in _chosen(given[0], {}) if isinstance(work, PointwisePair))
    tuned = {pair: ApartTile(PointwiseTile(5, 1, 63, 1), PointwiseTile(4, 1, 63, 1))}
    names = _names(lower_for(given[0], HERE, tuned))
    assert not any("pair" in name for name in names)
    assert sum("pointwise" in name for name in names) == 2
    assert _error(given, tuned) <= 1e-5


def test_the_second_half_of_a_pair_may_write_over_what_the_pair_itself_reads(given: Any) -> None:
    pair = next(work for work in _chosen(given[0], {}) if isinstance(work, PointwisePair))
    assert not pair.second.epilogue.in_place
    halves = _chosen(given[0], {pair: ApartTile(PointwiseTile(), PointwiseTile())})
    assert {work.epilogue.in_place for work in halves if work.is_pointwise and work.epilogue.add} == {True}


def test_what_was_tuned_for_another_network_changes_nothing(given: Any) -> None:
    module, _, inputs = given
    pair = next(work for work in _chosen(module, {}) if isinstance(work, PointwisePair))
    strange = PointwisePair(pair.second, pair.first)
    before, after = (run_here(build(module, HERE, tuned), inputs)[0] for tuned in ({}, {strange: PairTile()}))
    assert np.array_equal(before, after)


def test_a_kept_shortcut_is_added_in_place_by_the_convolution_before_it() -> None:
    net = Net((1, 8, 10, 10))
    x = net.relu(net.conv("x0", 8, 16, 3))
    y = net.relu(net.add(net.conv(net.relu(net.conv(x, 16, 16, 3)), 16, 16, 3), x))
    lowered, called = lower_checked(net, net.conv(y, 16, 4))
    assert len([kind for kind in kinds_of(called) if kind.startswith(("winograd", "direct", "pointwise"))]) == 4
    assert not any("add" in name for name in called)
    kept = 16 * 10 * 10 * 4
    assert planned_memory(lowered).activations < 3 * kept + workspace_of(lowered) + 4 * 10 * 10 * 4 * 4


def test_a_map_that_is_read_again_later_is_not_written_over() -> None:
    net = Net((1, 8, 6, 6))
    x = net.relu(net.conv("x0", 8, 16, 3))
    y = net.relu(net.add(net.conv(x, 16, 16), x))
    z = net.relu(net.add(net.conv(y, 16, 16, 3), x))
    lower_checked(net, z, net.conv(x, 16, 4))
