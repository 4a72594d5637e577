"""The public names say what they take, give and raise, and show it in an example that runs."""

from __future__ import annotations

import doctest
import inspect
import os
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import rdpass
from tests.data import batches, photographs
from tests.models import small_resnet_of_four

NAMES = [name for name in rdpass.__all__ if name != "__version__"]
FUNCTIONS = [name for name in NAMES if inspect.isfunction(getattr(rdpass, name))]
ONCE = ("bench", "compile", "evaluate", "fit", "load", "profile", "tune", "verify", "Bundle", "Evaluation", "Fit",
        "Layer", "Manifest", "Profile", "Runner", "TensorSpec", "Timing", "Tuning")  # fmt: skip
"""What takes a compiled bundle."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with what the examples name: a student, exported and compiled."""
    folder = tmp_path_factory.mktemp("examples")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def names(place):
    """What the examples start from: a network of two blocks, its input and some batches."""
    example = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    photographs(Path("photos"), {"cat": 5, "dog": 5})
    return {"model": small_resnet_of_four(), "example": example, "loader": batches(2), "Path": Path, "np": np}


@pytest.fixture(scope="module")
def compiled(place, names):
    """The names, and beside them ``student`` as student.onnx and student.rdp."""
    conversion = rdpass.convert(names["model"], names["example"], max_macs=9.0)
    onnx = conversion.export_onnx("student.onnx")
    rdpass.compile(onnx, out="student.rdp", show_progress=False)
    return {**names, "student": conversion.student}


def example_of(name, given):
    found = doctest.DocTestFinder(recurse=False).find(getattr(rdpass, name), name, globs=dict(given))
    assert [len(test.examples) > 0 for test in found] == [True], f"{name} has no example"
    return found[0]


def run_example(name, given, capsys):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    failed, tried = runner.run(example_of(name, given))
    assert tried > 0
    assert failed == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ONCE])
def test_the_example_gives_what_it_shows(name, names, capsys, monkeypatch):
    for registry in rdpass.registry.__all__ if name == "registry" else ():
        found = getattr(rdpass.registry, registry)
        monkeypatch.setattr(found, "_known", dict(found._known))
    run_example(name, names, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("name", ONCE)
def test_the_example_of_what_is_compiled_gives_what_it_shows(name, compiled, capsys):
    run_example(name, compiled, capsys)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_it_gives_and_raises(name):
    sections = re.findall(r"^(Args|Returns|Raises|Example):$", inspect.getdoc(getattr(rdpass, name)), re.M)
    assert sections == ["Args", "Returns", "Raises", "Example"]


@pytest.mark.parametrize("name", [name for name in NAMES if not isinstance(getattr(rdpass, name), ModuleType)])
def test_every_argument_is_named_in_the_order_of_the_signature(name):
    public = getattr(rdpass, name)
    arguments = re.search(r"^Args:\n((?:    .*\n?)+)", inspect.getdoc(public), re.M).group(1)
    named = re.findall(r"^    (?:\*\*)?(\w+): ", arguments, re.M)
    assert named == list(inspect.signature(public).parameters)
