"""Linux's words for features, and LLVM's names that lead to them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rdpass.targets.cpu_words import USED_UNASKED, WORDS
from rdpass.targets.features import Feature

X86 = {Feature.AVX2, Feature.AVX_VNNI, Feature.AVX512F, Feature.AVX512_VNNI}


def test_every_feature_of_an_arm_core_is_a_word_that_a_runner_can_check() -> None:
    assert set(Feature) - X86 <= WORDS
    assert X86.isdisjoint(WORDS)


@pytest.mark.parametrize(
    ("llvm", "feature"),
    [("fullfp16", Feature.FP16), ("dotprod", Feature.DOTPROD), ("i8mm", Feature.I8MM), ("neon", Feature.ASIMD)],
)
def test_llvms_name_of_a_feature_leads_to_linuxs_word(llvm: str, feature: Feature) -> None:
    assert feature in USED_UNASKED[llvm]


def test_every_word_that_code_may_need_unasked_can_be_checked() -> None:
    assert {word for words in USED_UNASKED.values() for word in words} <= WORDS


def test_the_words_are_those_that_the_runner_knows() -> None:
    source = (Path(__file__).parents[2] / "rdpass" / "deploy" / "runtime" / "cpu_features.cc").read_text()
    assert set(re.findall(r'\{"([a-z0-9]+)"', source)) == WORDS
