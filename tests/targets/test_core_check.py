"""Cores and features that can be built for: LLVM's word against what a target lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rdpass.core.errors import TargetError
from rdpass.deploy.bundle.building import compile
from rdpass.targets.core_check import check_core, needed_features
from rdpass.targets.lookup import PRESETS, find_target, host_target
from rdpass.targets.target import Target


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"cpu": '"cortex-a67"'}, r"LLVM knows no CPU 'cortex-a67' .*near it are .*cortex-a7"),
        ({"cpu": '"x86-64-v3"'}, "LLVM knows no CPU 'x86-64-v3' for aarch64-linux-gnu"),
        ({"cpu": '"cortex-a76"'}, "code for cortex-a76 may use asimddp, asimdhp, .*: add that to its features"),
        ({"features": '["asimd", "sve"]'}, "to LLVM cortex-a72 has no sve: take that out of its features"),
        ({"features": "[]"}, "code for cortex-a72 may use asimd"),
    ],
)
def test_a_core_and_features_that_do_not_fit_are_refused_before_anything_is_built(
    written: Callable[..., Path], residual_onnx: Path, tmp_path: Path, changed: dict[str, str | None], reason: str
) -> None:
    with pytest.raises(TargetError, match=reason):
        compile(residual_onnx, str(written(**changed)), tmp_path / "net.rdp")
    assert not (tmp_path / "net.rdp").exists()


def test_features_of_a_core_without_spontaneous_use_may_be_listed(written: Callable[..., Path]) -> None:
    check_core(find_target(str(written(features='["asimd", "aes", "crc32"]'))))


def test_this_host_can_be_built_for() -> None:
    check_core(host_target())


@pytest.mark.parametrize("target", [preset for preset in PRESETS], ids=lambda target: target.name)
def test_a_preset_lists_all_that_code_for_its_core_may_use(target: Target) -> None:
    needed = needed_features(target.cpu, target.triple)
    assert list(needed) == sorted(set(needed))
    assert set(needed) <= set(target.features)


def test_a_core_that_llvm_does_not_know_on_this_system_is_named_with_those_near_it() -> None:
    with pytest.raises(TargetError, match=r"target rpi4: LLVM knows no CPU 'cortex-a7x' for aarch64.*near it are"):
        check_core(replace(find_target("rpi4"), cpu="cortex-a7x"))


def test_features_of_other_architectures_are_not_asked_about() -> None:
    check_core(Target("mine", "x86_64-linux-gnu", "x86-64-v3", 4, ()))
