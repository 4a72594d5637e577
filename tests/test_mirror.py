"""Tests mirror the packages: the tests of ``passes/exact/pin_gate.py`` are in ``tests/passes/exact/test_pin_gate.py``.

A package stands in ``MIRRORED`` once each of its modules has its file of tests. What is left out says why.
"""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent
MIRRORED = (
    "capture", "cli", "core", "database", "deploy", "kernels", "onnx", "passes/analysis", "passes/distill",
    "passes/exact", "passes/graph", "passes/lowering", "passes/quantize", "passes/tir", "profiling", "recipes",
    "report", "runs", "sources", "targets", "tuning",
)  # fmt: skip
UNFINISHED: tuple[str, ...] = ()

TESTED_ELSEWHERE = {
    "passes/quantize/report": "fields alone, which tests/test_quantization.py reads",
    "passes/lowering/match/placement": "fields alone, which the finders fill in and their tests read",
}
"""Modules without a file of tests of their name."""

ACROSS = {
    "cli/test_deploy": "the exit code and the line of every fault of commands on bundles",
    "database/test_faults": "whatever is wrong in a folder, against all that reads and mends it",
    "deploy/aot/test_android": "libraries for phones",
    "deploy/aot/test_bundle": "bundles without a runtime, as a whole",
    "deploy/aot/test_networks": "sizes and heap of whole networks",
    "deploy/bundle/test_refusals": "what a build refuses, and what it leaves behind when it fails",
    "deploy/runtime/test_runner_faults": "the runner in C++ under sanitizers",
    "deploy/runtime/test_runner_program": "the command line of the runner in C++",
    "kernels/test_emulated": "kernels on an emulated core",
    "kernels/test_hot_loops": "machine code of dense kernels",
    "kernels/test_networks": "every kernel on the layers of networks",
    "kernels/test_random_shapes": "every kernel on random shapes",
    "kernels/test_structure": "what no file of kernels may name",
    "kernels/test_tester": "the tests' own tester",
    "kernels/test_threads": "every kernel with several threads",
    "passes/analysis/shortcuts/test_census_oracle": "the census against another of few words",
    "passes/analysis/shortcuts/test_finding": "the census on blocks as people write them",
    "passes/analysis/shortcuts/test_golden_counts": "the census on networks of the zoo",
    "passes/lowering/test_numeric_types": "networks of other types through all passes",
    "recipes/test_exact_students": "exact students as ordinary modules",
    "recipes/test_hostile_statistics": "networks whose maps give no statistics, from every start",
    "recipes/test_recipes": "every trained recipe alike",
    "recipes/test_recipes_on_networks": "every recipe on networks of the zoo",
    "recipes/test_trained_students": "trained students as ordinary modules",
}
"""Files of tests that belong to no one module."""


def source(package: str) -> Path:
    """The folder of a package; those of passes and kernels lie at the root."""
    return ROOT / package if package.startswith(("kernels", "passes")) else ROOT / "rdpass" / package


def below(folder: Path, pattern: str) -> set[str]:
    """The files of a folder and of those in it, without suffixes."""
    return {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob(pattern)}


def named(package: str, names: set[str]) -> set[str]:
    """Names below a package with the package before them, those of unfinished ones left out."""
    return {f"{package}/{name}" for name in names if not f"{package}/{name}".startswith(UNFINISHED)}


def modules(package: str) -> set[str]:
    return named(package, {name for name in below(source(package), "*.py") if not name.endswith("__init__")})


def files_of_tests(package: str) -> set[str]:
    return named(package, below(TESTS / package, "test_*.py"))


def file_for(module: str) -> str:
    folder, _, name = module.rpartition("/")
    return f"{folder}/test_{name}"


@pytest.mark.parametrize("package", MIRRORED)
def test_every_module_has_its_file_of_tests_or_a_reason(package):
    missing = {module for module in modules(package) if file_for(module) not in files_of_tests(package)}
    assert missing == {module for module in TESTED_ELSEWHERE if module in modules(package)}


@pytest.mark.parametrize("package", MIRRORED)
def test_every_file_of_tests_belongs_to_a_module_or_says_what_it_is_across(package):
    own = {file_for(module) for module in modules(package)}
    assert files_of_tests(package) - own == {name for name in ACROSS if name.startswith(f"{package}/")}


@pytest.mark.parametrize("package", MIRRORED)
def test_no_file_of_tests_is_without_tests(package):
    empty = {name for name in files_of_tests(package) if "\ndef test_" not in (TESTS / f"{name}.py").read_text()}
    assert empty == set()


def test_what_is_left_out_is_there():
    known = {name for package in MIRRORED for name in (*modules(package), *files_of_tests(package))}
    assert {*TESTED_ELSEWHERE, *ACROSS} <= known
    assert all(source(package).is_dir() for package in (*MIRRORED, *UNFINISHED))
