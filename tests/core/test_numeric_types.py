"""Numeric types: their names and sizes are numpy's, and one module knows them."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from rdpass.core.numeric_types import ALL_FLOAT32, FLOAT16, FLOAT32, INT8, INT32, UINT8, NumericType, NumericTypes


@pytest.mark.parametrize("numeric", NumericType)
def test_a_type_is_numpys_of_that_name_and_size(numeric):
    dtype = np.dtype(numeric)
    assert (dtype.name, dtype.itemsize) == (numeric, numeric.bytes)
    assert (dtype.kind == "f") == numeric.is_float


def test_abbreviations_tell_sign_and_width():
    assert [t.abbreviation for t in (FLOAT32, FLOAT16, INT8, UINT8)] == ["f32", "f16", "s8", "u8"]


def test_a_tensors_size_is_in_bytes():
    assert (FLOAT32.size((2, 3)), FLOAT16.size((2, 3)), INT8.size(())) == (24, 12, 1)


def test_types_print_short_and_the_same_in_every_process():
    assert repr(ALL_FLOAT32) == "NumericTypes(input=f32, weight=f32, accumulator=f32, output=f32)"


def test_several_types_have_one_word_or_tell_what_is_read_multiplied_by_and_written():
    assert ALL_FLOAT32.abbreviation == "f32"
    assert NumericTypes(UINT8, INT8, INT32, FLOAT16).abbreviation == "u8_f16"


# Where types and sizes are written down

ROOT = Path(__file__).parents[2]
TYPES = "rdpass/core/numeric_types.py"
BYTES = re.compile(r"\b4 \* (math\.)?prod\b|\bprod\([^()]*\) \* 4\b|\b\w*(bytes|size)\w* = .*(\b4 \*|\* 4\b)")
"""Sizes of tensors that take four bytes a number for granted."""


def code_of(path: Path) -> str:
    """A file without comments, docstrings and other strings that stand alone, in one way of writing."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [statement for statement in node.body if not is_text(statement)] or [ast.Pass()]
    return ast.unparse(tree)


def is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def sources() -> dict[str, str]:
    paths = (path for folder in ("rdpass", "passes", "kernels") for path in (ROOT / folder).rglob("*.py"))
    found = {path.relative_to(ROOT) for path in paths if not any(part.is_symlink() for part in path.parents)}
    return {path.as_posix(): code_of(ROOT / path) for path in sorted(found)}


SOURCES = sources()


def test_only_code_is_searched_and_all_of_it(tmp_path):
    path = tmp_path / "some.py"
    path.write_text('"""float32"""\nx = 1  # float32\n"""float32"""\n\n\nclass C:\n    """float32"""\n')
    assert code_of(path) == "x = 1\n\nclass C:\n    pass"
    path.write_text("names = ('int8',\n 'float32')\n")
    assert code_of(path) == "names = ('int8', 'float32')"
    assert {"rdpass/deploy/aot/source.py", "passes/lowering/dataflow.py", TYPES} <= SOURCES.keys()


def test_one_module_says_what_float32_is():
    """But for torch's own type, where torch's tensors are meant."""
    found = {name for name, code in SOURCES.items() if "float32" in code.replace("torch.float32", "")}
    assert found <= {TYPES}
    assert TYPES in found


@pytest.mark.parametrize("line", ["4 * prod(shape)", "prod(shape) * 4", "size = 4 * count", "map_bytes = count * 4"])
def test_sizes_for_float32_alone_are_recognised(line):
    assert BYTES.search(line)


def test_sizes_come_from_types():
    found = {name: BYTES.findall(code) for name, code in SOURCES.items()}
    assert not any(found.values()), {name: hits for name, hits in found.items() if hits}
