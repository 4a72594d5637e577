"""A kernel is one file: nothing else names it, and nothing in the kernels knows one numeric type alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from rdpass.kernels.registry import TEMPLATES

ROOT = Path(__file__).parents[2]
KERNELS = sorted((ROOT / "kernels").rglob("*.py"))
GENERIC = [
    *sorted((ROOT / "kernels").glob("*.py")),
    *sorted((ROOT / "kernels" / "builder").glob("*.py")),
    *(path for name in ("database", "tuning", "cli") for path in sorted((ROOT / "rdpass" / name).rglob("*.py"))),
    *sorted((ROOT / "passes" / "lowering" / "match").glob("*.py")),
]
CLASSES = {kind.__name__ for template in TEMPLATES for kind in (template.tile, type(template))}
WORDS = {template.name for template in TEMPLATES}
MODULES = {type(template).__module__ for template in TEMPLATES}


def named(tree: ast.AST) -> Iterator[str]:
    """The kernels that code names: by their modules, classes, or in a text of its own."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if module in MODULES:
                yield module
            case ast.Name(id=name) if name in CLASSES:
                yield name
            case ast.Constant(value=str(name)) if name in WORDS:
                yield name


@pytest.mark.parametrize("path", GENERIC, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_kernel_is_named_outside_its_own_file_and_the_list(path):
    found = set(named(ast.parse(path.read_text())))
    assert found <= (MODULES if path.name == "registry.py" else set())


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_numeric_type_and_no_size_of_one_is_written_out(path):
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Constant(value="float32") | ast.Attribute(attr="float32"):
                raise AssertionError(f"{path.name}:{node.lineno} names float32; take it from the workload's types")
            case (
                ast.BinOp(op=ast.Mult(), left=ast.Constant(value=4))
                | ast.BinOp(op=ast.Mult() | ast.FloorDiv() | ast.Div(), right=ast.Constant(value=4))
            ):
                raise AssertionError(f"{path.name}:{node.lineno} multiplies by 4; give the number a name")
