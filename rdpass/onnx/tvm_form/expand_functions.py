"""Operators that TVM lacks, by the definition that ONNX gives of them in others."""

from __future__ import annotations

from collections.abc import Set

import onnx
from onnx import inliner


def expand_functions(model: onnx.ModelProto, known: Set[str]) -> onnx.ModelProto:
    """``model`` itself where all its operators are ``known``, or ONNX defines none of the others."""
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)
    missing = sorted({node.op_type for node in model.graph.node if node.domain in ("", "ai.onnx")} - known)
    defined = [("", name) for name in missing if _is_defined(name, version)]
    if not defined:
        return model
    return inliner.inline_selected_functions(model, defined, inline_schema_functions=True)


def _is_defined(name: str, version: int) -> bool:
    try:
        schema = onnx.defs.get_schema(name, version)
    except onnx.defs.SchemaError:
        return False
    has_function: bool = getattr(schema, "has_function")  # noqa: B009  (onnx's stubs leave it out)
    return has_function or bool(getattr(schema, "has_context_dependent_function"))  # noqa: B009
