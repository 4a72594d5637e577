"""What a target's name stands for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdpass.core.errors import TargetError
from rdpass.profiling.emulation.boards import core_targets, find_board, modelled_core
from rdpass.profiling.emulation.throughput import CORES
from rdpass.targets.core_check import check_core
from rdpass.targets.lookup import PRESETS


@pytest.mark.parametrize("name", [*(preset.name for preset in PRESETS), *core_targets()])
def test_every_preset_and_every_core_has_a_model_a_clock_and_a_bandwidth(name: str) -> None:
    target = find_board(name)
    assert target.architecture == "aarch64"
    assert modelled_core(target) in CORES
    assert target.clock_ghz > 1
    assert target.dram_gbps > 1


@pytest.mark.parametrize("name", core_targets())
def test_every_core_lists_what_code_for_it_may_use(name: str) -> None:
    check_core(find_board(name))


@pytest.mark.parametrize("core", CORES)
def test_every_core_that_is_reported_can_be_built_for(core: str) -> None:
    assert find_board(core).cpu == core
    assert modelled_core(find_board(core)) == core


def test_a_core_builds_as_one_core_of_the_board_that_has_it() -> None:
    assert replace(find_board("cortex-a72"), name="rpi4", cores=4) == find_board("rpi4")


@pytest.mark.parametrize("name", ["host", "cortex-a999", ""])
def test_what_is_no_arm_target_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(TargetError, match=r"known are .*rpi4.*neoverse-v1"):
        find_board(name)


def test_a_core_without_a_model_is_refused() -> None:
    with pytest.raises(TargetError, match="no model of apple-m1"):
        modelled_core(replace(find_board("rpi4"), cpu="apple-m1"))
