"""Data flow one way, and so do imports: a module may use its own layer and those above it in this list."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = (
    "errors comparison",
    "manifest output bundle_readme chatter arm_target cpu_words boards target_file targets c_literals remote",
    "types options schedules config convert_config",
    "layers tensors dump interruption progress objective losses knowledge_distillation",
    "passes kernels",
    "programs example tracers agreement tracing staging deploy_form double_precision database",
    "onnx_runtime onnx_source golden toolchain runtime_libraries core_check lowering execution runner_program ahead",
    "assembly",
    "checkpoint memory_layout recipes.recipe training",
    "recipes verdict roofline drawing inspection exporting",
    "emulation",
    "conversion run_folder tuning building runner verification diagnosis models onnx_model torchvision_import",
    "benchmark peers board_facts board_findings",
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
