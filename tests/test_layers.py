"""Data flow one way, and so do imports: a module may use its own layer and those above it in this list."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = (
    "errors comparison",
    "output chatter targets device.remote bundle.manifest bundle.readme bundle.c_literals",
    "types training.options training.schedules training.config convert_config",
    "layers tensors dump interruption progress",
    "training.objective training.losses training.knowledge_distillation",
    "passes kernels",
    "tracing staging deploy_form double_precision database",
    "onnx.oracle onnx.source targets.toolchain targets.core_check lowering",
    "bundle.golden bundle.runtime_libraries bundle.execution bundle.runner_program ahead",
    "bundle.assembly",
    "training.checkpoint training.memory_layout recipes.recipe training",
    "recipes verdict roofline drawing inspection onnx.export",
    "emulation",
    "conversion run_folder tuning bundle diagnosis weights models onnx.torch_module torchvision_import",
    "bundle.benchmark peers device",
    "distillation report",
    "cli",
)
SOURCES = sorted(
    path
    for folder in ("rdpass", "passes", "kernels")
    for path in (ROOT / folder).rglob("*.py")
    if not any(part.is_symlink() for part in path.parents) and path.parent / path.name != ROOT / "rdpass/__init__.py"
)


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in (parts[1:] if parts[0] == "rdpass" else parts) if part != "__init__")


def layer(name):
    """The layer of the longest listed prefix of a module's name; the package itself, which holds its version, is 0."""
    while name:
        for rank, names in enumerate(LAYERS):
            if name in names.split():
                return rank
        name = name.rpartition(".")[0]
    return 0


def imported(path):
    """The modules of rdpass that a file imports when it runs; what only type checkers read does not count."""
    pending = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "rdpass":
            yield node.module.removeprefix("rdpass").removeprefix(".")
        pending.extend(ast.iter_child_nodes(node))


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_a_module_imports_only_from_its_own_layer_and_those_above(path):
    own = module_name(path)
    if own == "__main__":
        return
    below = [name for name in imported(path) if layer(name) > layer(own)]
    assert below == []


def test_every_module_has_a_layer():
    listed = {name.split(".")[0] for names in LAYERS for name in names.split()}
    assert {module_name(path).split(".")[0] for path in SOURCES} - {"", "__main__"} <= listed
