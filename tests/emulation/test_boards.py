"""What a target's name stands for."""

from __future__ import annotations

import pytest

from benchmarks.emulation.boards import CORES, find_board
from benchmarks.emulation.throughput import CORES as MODELLED
from rdpass.errors import TargetError
from rdpass.targets import PRESETS


@pytest.mark.parametrize("name", [*(preset.name for preset in PRESETS), *(core.name for core in CORES)])
def test_every_preset_and_every_core_has_a_model_a_clock_and_a_bandwidth(name: str) -> None:
    target, core = find_board(name)
    assert target.architecture == "aarch64"
    assert core.model in MODELLED
    assert core.ghz > 1
    assert core.gb_per_s > 1


def test_a_core_builds_as_the_board_that_has_it() -> None:
    core, board = find_board("cortex-a72"), find_board("rpi4")
    assert core[0].cpu == board[0].cpu
    assert core[0].features == board[0].features
    assert core[1] == board[1]


@pytest.mark.parametrize("name", ["host", "cortex-a999", ""])
def test_what_is_no_arm_target_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(TargetError, match=r"known are .*rpi4.*neoverse-v1"):
        find_board(name)
