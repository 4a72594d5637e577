"""The boards known by name, and what may be registered beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdpass.core.errors import ConfigError
from rdpass.targets.boards import as_target
from rdpass.targets.lookup import PRESETS, all_targets, find_target

BOARDS = (
    "rpi3 rpi4 rpi5 rk3399 rk3588 imx8mp jetson-nano jetson-orin pixel8 graviton2 graviton3 graviton4"
    " android-arm64 generic-armv8a"
)


def test_every_board_has_the_figures_that_estimates_take_and_says_whence_they_are() -> None:
    assert [target.name for target in PRESETS] == BOARDS.split()
    for target in all_targets():
        assert 0.5 < target.clock_ghz < 6
        assert target.macs_per_cycle in (4, 8, 16, 32)
        assert 0.5 < target.dram_gbps < 1000
        assert "estimate" in target.figures
        if target in PRESETS:
            assert 16 << 10 <= target.l1d_bytes < target.l2_bytes <= target.last_cache_bytes
            assert "asimd" in target.features


def test_cores_with_sve_or_dot_products_list_them_as_linux_does() -> None:
    assert {"sve", "i8mm", "bf16"} <= set(find_target("graviton3").features)
    assert "sve2" in find_target("graviton4").features
    assert {"asimddp", "asimdhp"} <= set(find_target("rpi5").features)
    assert find_target("rpi4").features == ("asimd",)


def test_a_target_or_a_function_that_gives_one_is_registered_under_its_own_name() -> None:
    mine = replace(find_target("rpi4"), name="mine")
    assert as_target("mine", mine) is mine
    assert as_target("mine", lambda: mine) is mine


@pytest.mark.parametrize(
    ("given", "said"),
    [(find_target("rpi4"), "one called 'rpi4'"), ("rpi4", "a str"), (lambda: 5, "a int"), (None, "a NoneType")],
)
def test_whatever_else_is_refused_and_told(given: object, said: str) -> None:
    with pytest.raises(ConfigError, match=f"target 'mine' is to be a Target of that name.* not {said}"):
        as_target("mine", given)
