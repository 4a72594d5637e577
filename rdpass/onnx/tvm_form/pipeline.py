"""Every step from a normalised model to what TVM's importer is given, in order."""

from __future__ import annotations

from collections.abc import Callable, Set

import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from rdpass.onnx.normalise.fold_constants import fold_constants
from rdpass.onnx.normalise.infer_shapes import infer_shapes
from rdpass.onnx.tvm_form import (
    einsum_in_parts,
    lift_clips,
    lift_rows,
    norms_in_parts,
    plain_operators,
    resize_in_parts,
)
from rdpass.onnx.tvm_form.check_importable import check_importable
from rdpass.onnx.tvm_form.expand_functions import expand_functions

REWRITES: tuple[tuple[tuple[str, ...], Callable[[ir.Node], bool]], ...] = (
    (lift_clips.OPERATORS, lift_clips.lift_clip),
    (resize_in_parts.OPERATORS, resize_in_parts.resize_in_parts),
    (einsum_in_parts.OPERATORS, einsum_in_parts.einsum_in_parts),
    (norms_in_parts.OPERATORS, norms_in_parts.norm_in_parts),
    (plain_operators.OPERATORS, plain_operators.write_plainly),
    (lift_rows.OPERATORS, lift_rows.lift_rows),
)


def tvm_form(model: onnx.ModelProto, known: Set[str], label: str) -> onnx.ModelProto:
    """``model`` itself where TVM takes it as it is, which it mostly does; else a model that computes the same.

    Args:
        model: normalised, of static shapes.
        known: the operators that TVM's importer has.
        label: what to call the model in messages.

    Raises:
        ConfigError: TVM can't take a node in any form; the message names it.
    """
    written = _rewritten(_with_shapes(model))
    formed = model if written is None else ir.to_proto(written)
    expanded = expand_functions(formed, known)
    if expanded is not formed:
        folded = _with_shapes(expanded)
        fold_constants(folded)
        formed = ir.to_proto(folded)
    check_importable(_with_shapes(formed).graph, known, label)
    return formed


def _with_shapes(model: onnx.ModelProto) -> ir.Model:
    inferred = ir.from_proto(infer_shapes(model))
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(inferred)
    return inferred


def _rewritten(model: ir.Model) -> ir.Model | None:
    """None where nothing is to be rewritten."""
    changed = False
    for operators, rewrite in REWRITES:
        for node in list(model.graph):
            if node.op_type in operators and node.domain in ("", "ai.onnx"):
                changed |= rewrite(node)
    if not changed:
        return None
    common.RemoveUnusedNodesPass()(model)
    common.NameFixPass()(model)
    common.TopologicalSortPass()(model)
    return model
