"""Tests mirror the packages: the tests of ``passes/exact/pin_gate.py`` are in ``tests/passes/exact/test_pin_gate.py``.

That holds for every module of ``rdpass``, and every file of tests below a package's folder is some module's. What is
left out says why.
"""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent / "rdpass"  # with links to the packages that lie at the top
PACKAGES = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))

TESTED_ELSEWHERE = {
    "__main__": "cli/test_app",
    "passes/quantize/post_training": "test_quantization",
    "passes/quantize/report": "test_quantization",
}
"""Modules without a file of tests of their name, and the file that tests them."""

ACROSS = {
    "test_docstrings": "the examples in public docstrings",
    "test_evidence_pages": "pages of evidence against what was measured",
    "test_extending": "the worked examples of how to extend",
    "test_fingerprints": "digests that a change of structure is to keep",
    "test_layers": "which package may import which",
    "test_links": "links between pages",
    "test_mirror": "this file",
    "test_names": "one word for one thing",
    "test_pages": "commands, code and messages on the pages",
    "test_notebooks": "the notebooks of the documentation",
    "test_packaging": "the wheel, and what imports load",
    "test_site": "the site of the documentation",
    "test_road": "the road from a model to a bundle, as a whole",
    "cli/test_deploy": "the exit code and the line of every fault of commands on bundles",
    "database/test_faults": "whatever is wrong in a folder, against all that reads and mends it",
    "deploy/aot/test_android": "libraries for phones",
    "deploy/aot/test_bundle": "bundles without a runtime, as a whole",
    "deploy/aot/test_networks": "sizes and heap of whole networks",
    "deploy/bundle/test_precision": "bundles in every precision, as a whole",
    "deploy/bundle/test_quantised_files": "files that were quantised, by rdpass and by others",
    "deploy/bundle/test_quantised_networks": "networks in int8 and float16, as a whole",
    "deploy/bundle/test_rounding": "networks that float32 hardly holds, from torch to a bundle",
    "deploy/bundle/test_refusals": "what a build refuses, and what it leaves behind when it fails",
    "deploy/runtime/test_examples": "the programs in examples/",
    "deploy/runtime/test_network_library": "the library of a bundle, from C and C++",
    "deploy/runtime/test_python_runtime": "the wheel that runs bundles on a board",
    "deploy/runtime/test_runner_faults": "the runner in C++ under sanitizers",
    "deploy/runtime/test_runner_files": "the runner in C++ on bundles that somebody spoiled",
    "deploy/runtime/test_runner_images": "the reader of images of the runner in C++",
    "deploy/runtime/test_runner_photographs": "its reader of JPEG and PNG",
    "deploy/runtime/test_runner_program": "the command line of the runner in C++",
    "kernels/test_emulated": "kernels on an emulated core",
    "kernels/test_float16": "every kernel of floats in float16",
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
    "training/test_cuda": "the same training on a GPU",
    "tuning/test_precision": "tuning in every precision, from a file to a bundle",
}
"""Files of tests that belong to no one module."""


OF_NO_PACKAGE = {
    "benchmarks": "benchmarks",
    "research": "benchmarks/research",
    "golden": "texts that tests compare with",
}
"""Folders of tests beside those of packages."""


def below(folder: Path, pattern: str) -> set[str]:
    """The files of a folder and of those in it, without suffixes; of ``ROOT`` and ``TESTS`` their own alone."""
    found = folder.glob(pattern) if folder in (ROOT, TESTS) else folder.rglob(pattern)
    top = ROOT if folder.is_relative_to(ROOT) else TESTS
    return {str(path.relative_to(top).with_suffix("")) for path in found}


def modules(package: str) -> set[str]:
    return {name for name in below(ROOT / package, "*.py") if not name.endswith("__init__")}


def files_of_tests(package: str) -> set[str]:
    return below(TESTS / package, "test_*.py")


def file_for(module: str) -> str:
    folder, _, name = module.rpartition("/")
    return f"{folder}/test_{name}".removeprefix("/")


each_package = pytest.mark.parametrize("package", ["", *PACKAGES])


@each_package
def test_every_module_has_its_file_of_tests_or_is_tested_by_another(package):
    missing = {module for module in modules(package) if file_for(module) not in files_of_tests(package)}
    assert missing == {module for module in TESTED_ELSEWHERE if module in modules(package)}


@each_package
def test_every_file_of_tests_belongs_to_a_module_or_says_what_it_is_across(package):
    own = {file_for(module) for module in modules(package)}
    assert files_of_tests(package) - own == ACROSS.keys() & files_of_tests(package)


@each_package
def test_no_file_of_tests_is_without_tests(package):
    empty = {name for name in files_of_tests(package) if "\ndef test_" not in (TESTS / f"{name}.py").read_text()}
    assert empty == set()


def test_what_is_left_out_is_there():
    found = {name for package in ("", *PACKAGES) for name in (*modules(package), *files_of_tests(package))}
    assert {*TESTED_ELSEWHERE, *TESTED_ELSEWHERE.values(), *ACROSS} <= found


def test_every_folder_of_tests_is_a_packages_or_named():
    folders = {path.name for path in TESTS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == {*PACKAGES, *OF_NO_PACKAGE}


def test_every_package_lies_in_a_folder_of_its_own():
    assert {"cli", "core", "kernels", "passes", "training"} < set(PACKAGES)
    assert not any(path.is_dir() and not (path / "__init__.py").exists() for path in ROOT.iterdir()
                   if path.name not in ("__pycache__", "schemas"))  # fmt: skip
