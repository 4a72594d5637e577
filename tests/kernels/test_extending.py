"""The worked example of docs/extending/kernel.md runs as it stands there."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.kernels.examples import ARM, EXAMPLES

PAGE = Path(__file__).parents[2] / "docs" / "extending" / "kernel.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def example(monkeypatch):
    """A module of its own, as its dataclasses need one."""
    module = ModuleType("extending_example")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return vars(module)


def test_the_kernel_of_the_page_is_chosen_built_and_gives_the_values_of_its_oracle(example):
    kernel, trial = BLOCKS
    for block in (kernel, trial):
        exec(compile(block, str(PAGE), "exec", dont_inherit=True), example)
    assert example["gate"].error <= 1e-5
    assert example["kernel"].name.startswith("f32_plain_pointwise_")
    assert example["got"].max() > 0


def test_what_it_refuses_has_its_reason(example):
    exec(compile(BLOCKS[0], str(PAGE), "exec", dont_inherit=True), example)
    assert example["PLAIN"].refusal(EXAMPLES[0], ARM).startswith("not a 1x1 window")
