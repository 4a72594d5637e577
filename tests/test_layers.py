"""Data flow one way, and so do imports: a package uses those before it in one list, never one behind it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "core",
    "targets",
    "passes.graph",
    "passes.analysis",
    "capture",
    "onnx",
    "training",
    "sources",
    "passes.exact",
    "passes.distill",
    "passes.prune",
    "passes.quantize",
    "recipes",
    "runs",
    "kernels",
    "passes.tir",
    "passes.lowering",
    "database",
    "deploy",
    "profiling",
    "tuning",
    "report",
    "scoring",
    "registry",
    "inspection",
    "conversion",
    "quantization",
    "evaluation",
    "fitting",
    "distillation",
    "diagnosis",
    "cli",
)
# Imports inside functions, each of what must not be loaded before it is needed.
LATE = {
    "cli": "the command line answers --help and --version without torch and TVM",
    "capture.programs": "the converter of TorchScript, which loads torch's compiler",
    "capture.torchvision_import": "the extra zoo",
    "conversion": "onnx and onnxruntime, which a conversion without int8 does without",
    "deploy.bundle.runner": "TVM's runtime: a bundle is read and checked without it",
    "deploy.bundle.signature": "the extra sign",
    "deploy.device.findings": "TVM: a board is examined without it",
    "profiling.runtimes": "the extra peers, and onnxruntime in a process of its own",
    "runs.folder": "onnx, likewise, of a run with a student in int8",
    "runs.result": "onnx and onnxsim, which a training does without",
    "sources.augmentation": "the extra zoo",
    "sources.models": "the extra zoo",
    "targets.lookup": "pydantic, which a board does without",
    "training.learning_rate": "the extra zoo",
    "training.optimiser": "the extra zoo",
    "tuning.worker": "TVM's RPC client, for boards at a tracker alone",
}
SOURCES = {
    ".".join(
        part
        for part in path.relative_to(ROOT / "rdpass" if path.is_relative_to(ROOT / "rdpass") else ROOT)
        .with_suffix("")
        .parts
        if part != "__init__"
    ): ast.parse(path.read_text())
    for folder in ("rdpass", "passes", "kernels")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not any(part.is_symlink() for part in path.parents)
}
MODULES = sorted(SOURCES.keys() - {"", "__main__", "passes"})


def package(name: str) -> str | None:
    """The listed package that a module is in, or is."""
    return next((listed for listed in PACKAGES if f"{name}.".startswith(f"{listed}.")), None)


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules of rdpass that a file names in imports, those for type checkers and those in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "rdpass":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}".removeprefix("rdpass.")
                yield whole if whole in SOURCES else node.module.removeprefix("rdpass").removeprefix(".")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_its_own_package_and_those_before_it(module):
    rank = PACKAGES.index(package(module))
    used = [name for name in imported(SOURCES[module]) if name]
    assert [name for name in used if PACKAGES.index(package(name)) > rank] == []


def test_every_module_is_in_one_package_and_every_package_has_modules():
    assert {package(module) for module in MODULES} == set(PACKAGES)


def test_imports_stand_at_the_top_but_for_those_listed_with_a_reason():
    late = {
        module
        for module in MODULES
        for function in ast.walk(SOURCES[module])
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    unlisted = {module for module in late if not any(f"{module}.".startswith(f"{listed}.") for listed in LATE)}
    assert unlisted == set()
    assert {listed for listed in LATE if not any(f"{module}.".startswith(f"{listed}.") for module in late)} == set()
