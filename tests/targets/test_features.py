"""What a target's hardware computes: Linux's words, asked for by feature."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from rdpass.targets.cpu_words import USED_UNASKED, WORDS
from rdpass.targets.features import Feature
from rdpass.targets.lookup import find_target, host_target
from rdpass.targets.target_file import target_toml

X86 = {Feature.AVX2, Feature.AVX_VNNI, Feature.AVX512F, Feature.AVX512_VNNI}
PRESETS = {
    "rpi3": {Feature.ASIMD},
    "rpi4": {Feature.ASIMD},
    "rpi5": {Feature.ASIMD, Feature.FP16, Feature.DOTPROD},
    "graviton3": {Feature.ASIMD, Feature.FP16, Feature.DOTPROD, Feature.I8MM, Feature.BF16, Feature.SVE},
    "generic-armv8a": {Feature.ASIMD},
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_features_of_its_core(name: str) -> None:
    target = find_target(name)
    assert {feature for feature in Feature if target.has(feature)} == PRESETS[name]


def test_every_feature_of_an_arm_core_is_a_word_that_a_runner_can_check() -> None:
    assert set(Feature) - X86 <= WORDS
    assert X86.isdisjoint(WORDS)


@pytest.mark.parametrize(
    ("llvm", "feature"),
    [("fullfp16", Feature.FP16), ("dotprod", Feature.DOTPROD), ("i8mm", Feature.I8MM), ("neon", Feature.ASIMD)],
)
def test_llvms_name_of_a_feature_leads_to_linuxs_word(llvm: str, feature: Feature) -> None:
    assert feature in USED_UNASKED[llvm]


def test_a_target_has_what_it_lists_and_nothing_else() -> None:
    bare = replace(find_target("rpi5"), features=("asimd",))
    assert [bare.has(feature) for feature in (Feature.ASIMD, Feature.DOTPROD)] == [True, False]
    listed = replace(host_target(), features=("avx512_vnni",))
    assert [listed.has(feature) for feature in (Feature.AVX512_VNNI, Feature.AVX2)] == [True, False]


def test_features_are_written_out_as_plain_words() -> None:
    target = replace(find_target("rpi5"), features=(Feature.ASIMD, Feature.DOTPROD))
    words = replace(target, features=("asimd", "asimddp"))
    assert json.dumps(asdict(target)) == json.dumps(asdict(words))
    assert target_toml(target) == target_toml(words)
