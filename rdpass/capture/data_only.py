"""``.pt2`` files without code: what of ``torch.export``'s archive is data, and a refusal of everything else.

torch itself runs code out of such a file in several ways: pickled weights, constants and example inputs; sizes written
as expressions, which sympy evaluates; operators named by any path below ``torch``; modules imported for enumerations in
the forms of inputs; machine code. Here a file is taken only if

1. it has the parts of one exported program and no others, none compressed;
2. no weight or constant is pickled, and the example inputs are tensors, numbers and containers of them;
3. each size is a number or an expression of symbols, numbers and functions of ``_FUNCTIONS``;
4. each operator is one of ATen's, or one of ``_PYTHON`` on numbers;
5. inputs and outputs are tuples, lists and dicts.

What is then given to torch is an archive written anew from the parts that were checked, so that no other reading of the
file's bytes counts.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import torch

_PARTS = re.compile(
    r"\.data/(version|serialization_id)|version|byteorder|archive_format|archive_version|models/\w+\.json"
    r"|data/weights/(weight_\d+|\w+_weights_config\.json)|data/constants/(tensor_\d+|\w+_constants_config\.json)"
    r"|data/sample_inputs/\w+\.pt"
)
_FUNCTIONS = frozenset({
    "Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Max", "Min", "Mod", "PythonMod", "FloorDiv",
    "CleanDiv", "CeilDiv", "IntTrueDiv", "FloatTrueDiv", "ModularIndexing", "Identity", "ToFloat", "TruncToInt",
    "FloorToInt", "CeilToInt", "RoundToInt", "PowByNatural", "FloatPow", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And",
    "Or", "Not", "Equality", "Unequality", "StrictLessThan", "StrictGreaterThan", "LessThan", "GreaterThan",
})  # fmt: skip
_PYTHON = re.compile(
    r"_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|pow|neg|pos|eq|ne|lt|le|gt|ge|and_|or_|not_)"
    r"|math\.(ceil|floor|trunc|sqrt)|torch\.sym_(int|float|not|max|min|sum|ite|sqrt)"
)
_ATEN = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)")
_FILES = frozenset({"from_file", "save", "load"})
"""ATen's operators that touch files."""
_NODES = (ast.Expression, ast.Call, ast.keyword, ast.Name, ast.Load, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Compare,
          ast.operator, ast.unaryop, ast.cmpop)  # fmt: skip
_SYMBOL = re.compile(r"[a-z]{1,8}_?\d+")
_FORMS = frozenset({
    None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict",
    "torch.fx.immutable_collections.immutable_list", "torch.fx.immutable_collections.immutable_dict",
})  # fmt: skip
_LONGEST_EXPRESSION = 10_000


class NotDataAlone(ValueError):
    """The file could run code."""


class OfIntegers(NotDataAlone):
    """The program calls operators of quantised networks, which are torch's, but none of ATen's."""


def checked_archive(content: bytes) -> io.BytesIO:
    """An archive of the same program, for ``torch.export.load``.

    Raises:
        OfIntegers: it is a quantised network's.
        NotDataAlone: the file holds more than data; the message says what.
        ValueError, KeyError, zipfile.BadZipFile: it is no archive of a program.
    """
    parts = _read(content)
    for name, part in parts.items():
        if name.endswith("_config.json"):
            _check_payloads(json.loads(part))
        elif name.startswith("models/"):
            _check_program(json.loads(part))
        elif name.startswith("data/sample_inputs/"):
            _check_example(part)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as written:
        for name, part in parts.items():
            written.writestr(f"program/{name}", part)
    archive.seek(0)
    return archive


def _read(content: bytes) -> dict[str, bytes]:
    """The parts by name, without the folder that all of them lie in."""
    parts: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            name = entry.filename.partition("/")[2]
            if not _PARTS.fullmatch(name) or name in parts:
                raise NotDataAlone(f"its part {name[:80]!r} is none of an exported program, or is there twice")
            if entry.compress_type != zipfile.ZIP_STORED:
                raise NotDataAlone(f"its part {name!r} is compressed, which torch does not do")
            parts[name] = archive.read(entry)
    if sum(name.startswith("models/") for name in parts) != 1:
        raise NotDataAlone("it does not hold one program")
    return parts


def _check_payloads(config: Any) -> None:
    for name, payload in config["config"].items():
        if payload["use_pickle"]:
            raise NotDataAlone(f"{name!r} is pickled")


def _check_example(part: bytes) -> None:
    try:
        if part:
            torch.load(io.BytesIO(part), map_location="cpu", weights_only=True)
    except Exception as error:
        raise NotDataAlone("its example inputs are pickled objects, not tensors alone") from error


def _check_program(program: Any) -> None:
    for key, value in _fields(program):
        if key == "expr_str":
            _check_expression(value)
        elif key in ("target", "as_operator"):
            _check_operator(value)
        elif key in ("in_spec", "out_spec"):
            _check_form(value)
        elif key in ("as_custom_obj", "class_fqn"):
            raise NotDataAlone("it holds objects of a class of its own")


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Every field of every object below, at whatever depth; what is None says nothing."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            yield from ((key, each) for key, each in item.items() if each is not None)
            todo += item.values()
        elif isinstance(item, list):
            todo += item


def _check_expression(text: Any) -> None:
    if not isinstance(text, str) or len(text) > _LONGEST_EXPRESSION:
        raise NotDataAlone("a size is no expression")
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotDataAlone(f"the size {text[:80]!r} is no expression") from error
    for node in nodes:
        called = not isinstance(node, ast.Call) or isinstance(node.func, ast.Name)
        if not isinstance(node, _NODES) or not called or not _is_known(node):
            raise NotDataAlone(f"the size {text[:80]!r} is more than arithmetic")


def _is_known(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _FUNCTIONS or bool(_SYMBOL.fullmatch(node.id))
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) or bool(_SYMBOL.fullmatch(str(node.value)))
    return True


def _check_operator(name: Any) -> None:
    if str(name).startswith("torch.ops.quantized"):
        raise OfIntegers(f"it calls {str(name)[:80]}")
    if not _is_aten(str(name)) and not _PYTHON.fullmatch(str(name)):
        raise NotDataAlone(f"its operator {str(name)[:80]!r} is none of ATen's")


def _is_aten(name: str) -> bool:
    """Tell whether tensors are all that it works on: what TorchScript has beside that has no kernel."""
    found = _ATEN.fullmatch(name)
    if found is None or found[1] in _FILES:
        return False
    overload = "" if found[2] == "default" else f".{found[2]}"
    return bool(torch._C._dispatch_has_kernel(f"aten::{found[1]}{overload}"))


def _check_form(text: Any) -> None:
    if not isinstance(text, str) or "__enum__" in text:
        raise NotDataAlone("the form of its inputs or outputs is more than tuples, lists and dicts")
    for key, value in _fields(json.loads(text)):
        if key == "type" and value not in _FORMS:
            raise NotDataAlone(f"an input or output is of the class {str(value)[:80]!r}")
