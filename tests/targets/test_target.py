"""A CPU to build for: what follows from its name and figures."""

from __future__ import annotations

import platform
from dataclasses import replace

import pytest

from rdpass.targets.features import Feature
from rdpass.targets.lookup import find_target, host_target
from rdpass.targets.target import ArmTarget, Target


def test_a_target_has_what_it_lists_and_nothing_else() -> None:
    bare = replace(find_target("rpi5"), features=("asimd",))
    assert [bare.has(feature) for feature in (Feature.ASIMD, Feature.DOTPROD)] == [True, False]
    listed = replace(host_target(), features=("avx512_vnni",))
    assert [listed.has(feature) for feature in (Feature.AVX512_VNNI, Feature.AVX2)] == [True, False]


@pytest.mark.parametrize(
    ("triple", "architecture", "android"),
    [("aarch64-linux-gnu", "aarch64", False), ("aarch64-linux-android", "aarch64", True),
     ("x86_64-linux-gnu", "x86_64", False)],
)  # fmt: skip
@pytest.mark.parametrize("here", ["aarch64", "x86_64"])
def test_programs_run_here_where_architecture_and_c_library_are_this_machines(
    triple: str, architecture: str, android: bool, here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: here)
    target = Target("mine", triple, "generic", 1, ())
    assert (target.architecture, target.is_android) == (architecture, android)
    assert target.is_native == (architecture == here and not android)


def test_the_peak_is_clock_times_multiply_accumulates_and_0_where_one_is_not_known() -> None:
    board = find_target("rpi4")
    assert board.peak_macs_per_second == 1.5e9 * 4
    assert replace(board, clock_ghz=0.0).peak_macs_per_second == 0


def test_the_last_cache_is_the_third_or_else_the_second() -> None:
    board = replace(find_target("rpi5"), l2_bytes=512, l3_bytes=2048)
    assert board.last_cache_bytes == 2048
    assert replace(board, l3_bytes=0).last_cache_bytes == 512


def test_its_name_of_earlier_releases_is_the_same_class() -> None:
    assert ArmTarget is Target
