"""What a target's hardware computes: Linux's words, asked for by feature."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from rdpass.targets.features import Feature
from rdpass.targets.lookup import find_target
from rdpass.targets.target_file import target_toml

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


def test_features_are_written_out_as_plain_words() -> None:
    target = replace(find_target("rpi5"), features=(Feature.ASIMD, Feature.DOTPROD))
    words = replace(target, features=("asimd", "asimddp"))
    assert json.dumps(asdict(target)) == json.dumps(asdict(words))
    assert target_toml(target) == target_toml(words)
