"""Profiles: sums beside whole inferences, notes on what is not to be believed, and bytes in use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdpass.core.call_plan import CallPlan, PlannedCall
from rdpass.core.numeric_types import BYTES, SINGLE
from rdpass.deploy.bundle.layer_times import LayerTimes, Spread
from rdpass.deploy.bundle.manifest import Manifest
from rdpass.profiling.layers import profile_of, slowest, unit_of, words_of
from tests.profiling.profiles import made_up, timing


def spread(ms: float) -> Spread:
    return Spread(ms, ms, ms, ms, ms, ms)


def manifest(plan: CallPlan) -> Manifest:
    target = {"name": "x", "triple": "aarch64-linux-gnu", "cpu": "cortex-a72", "cores": 4, "features": ["asimd"],
              "clock_ghz": 1.0, "macs_per_cycle": 4, "dram_gbps": 2.0}  # fmt: skip
    kernels = ({"name": "f32_direct", "calls": 2, "share": 1.0},)
    constants = {"model": 100, "packed": 100, "transformed": 0}
    return Manifest(
        "", target, (), (), "model.so", (), {}, 0, 0, (), {}, kernels=kernels, constants=constants, plan=plan
    )


def times() -> LayerTimes:
    direct = PlannedCall("f32_direct", 8 * 10**6, 500, 100)
    plan = CallPlan((direct, PlannedCall("transpose", 0, 64, 0), direct, PlannedCall("copy", 0, 8, 0)), (), 64)
    calls = ((0.0, spread(1.25)), (1.25, spread(0.25)), (1.5, spread(2.5)), (4.0, spread(0.0)))
    return LayerTimes(manifest(plan), plan, timing(4.0, 4.2, 4.5), spread(4.3), calls)


def test_each_call_is_a_layer_with_its_share_and_operations_a_second() -> None:
    found = profile_of(times())
    assert [layer.index for layer in found.layers] == [0, 1, 2, 3]
    assert [layer.kind for layer in found.layers] == ["kernel", "fallback", "kernel", "copy"]
    assert [layer.share for layer in found.layers] == pytest.approx([0.3125, 0.0625, 0.625, 0.0])
    assert [layer.gops for layer in found.layers] == pytest.approx([6.4, 0.0, 3.2, 0.0])
    assert [layer.bound for layer in found.layers] == ["arithmetic", "neither", "neither", "short"]
    assert found.layers[0].bound_words == "arithmetic, 80% of peak"
    assert [layer.index for layer in slowest(found.layers)] == [2, 0, 1, 3]


def test_the_sum_of_layers_stands_beside_whole_inferences() -> None:
    found = profile_of(times())
    assert found.layers_ms == pytest.approx(4.0)
    assert found.other_ms == pytest.approx(0.2)
    assert [ms for _, ms in words_of(found)] == pytest.approx([4.0, 4.3, 4.2, 0.2])


def test_threads_that_the_runner_chose_are_one_without_a_runtime_and_all_cores_with_one() -> None:
    chosen = replace(times(), whole=replace(timing(), threads=None))
    alone = replace(chosen, manifest=replace(chosen.manifest, runtime="none"))
    assert profile_of(alone).layers[0].arithmetic == pytest.approx(0.8)
    assert profile_of(chosen).layers[0].arithmetic == pytest.approx(0.2)


def test_under_an_emulator_nothing_bounds_a_layer_and_a_note_says_why() -> None:
    found = profile_of(replace(times(), whole=timing(emulated=True)))
    assert {layer.bound for layer in found.layers} == {"unknown"}
    assert found.layers[0].bound_words == ""
    assert "these times mean nothing" in found.notes[-1]


@pytest.mark.parametrize(
    ("profile", "start"),
    [(made_up(times=timing(1.0, 1.3, 1.4)), "Not to be believed"), (made_up(timed_ms=1.2), "Timers cost much here")],
)
def test_what_is_not_to_be_believed_is_said(profile, start: str) -> None:
    assert made_up().notes == ()
    assert profile.notes[0].startswith(start)


def test_what_lies_within_another_map_is_in_use_once() -> None:
    assert [made_up().in_use(call) for call in range(3)] == [1024, 1024 + 512 + 64, 64]


def test_the_unit_says_whether_floats_are_counted() -> None:
    assert (unit_of(SINGLE), unit_of(BYTES)) == ("GFLOP/s", "GOP/s")
