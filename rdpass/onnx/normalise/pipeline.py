"""Every step from a file as an exporter wrote it to the form that the readers take, in order.

The steps before ``REWRITES`` make a file runnable; what ONNX Runtime computes of it then is what the rewritten model is
to compute. A model that needs none of the rewrites stays as it is, byte for byte.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from rdpass.core.comparison import Array, check_close
from rdpass.core.errors import ConfigError, ParityError, PassError
from rdpass.core.input_size import InputSize
from rdpass.core.tensor_spec import TensorSpec
from rdpass.onnx.double_oracle import exact_of
from rdpass.onnx.normalise import (
    drop_empty_inputs,
    drop_no_ops,
    drop_transposes,
    explicit_padding,
    fold_crops,
    fold_padding,
    fold_quantised,
    join_reshapes,
    keep_integers,
    sink_transposes,
    whole_windows,
)
from rdpass.onnx.normalise.check_supported import check_structure
from rdpass.onnx.normalise.fold_constants import fold_constants
from rdpass.onnx.normalise.infer_shapes import infer_shapes
from rdpass.onnx.normalise.pin_sizes import inputs_of, misfit, pin_sizes
from rdpass.onnx.normalise.protos import drop_weight_inputs, fill_sparse, inline_functions, raise_opset
from rdpass.onnx.normalise.qoperators import has_qoperators, rewrite_qoperators
from rdpass.onnx.normalise.repair_slopes import repair_slopes
from rdpass.onnx.normalise.widen_halves import widen_halves
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.tensor_specs import random_input, spec_of

log = logging.getLogger(__name__)

TOLERANCE = 1e-5
"""Of the rewritten model against the file, relative to its largest output."""

QUANTISED_TOLERANCE = 2e-2
"""The same where numbers are quantised: a sum in another order may round to the next step."""

Rewrite = Callable[[ir.Node], bool]
Step = tuple[str, tuple[str, ...], Rewrite]

REWRITES: tuple[Step, ...] = (
    ("drop_empty_inputs", drop_empty_inputs.OPERATORS, drop_empty_inputs.drop_empty_inputs),
    ("drop_no_ops", drop_no_ops.OPERATORS, drop_no_ops.drop_no_op),
    ("explicit_padding", explicit_padding.OPERATORS, explicit_padding.make_padding_explicit),
    ("whole_windows", whole_windows.OPERATORS, whole_windows.count_whole_windows),
    ("fold_padding", fold_padding.OPERATORS, fold_padding.fold_padding),
    ("fold_crops", fold_crops.OPERATORS, fold_crops.fold_crop),
    ("sink_transposes", sink_transposes.OPERATORS, sink_transposes.sink_transposes),
    ("drop_transposes", drop_transposes.OPERATORS, drop_transposes.drop_transpose),
    ("join_reshapes", join_reshapes.OPERATORS, join_reshapes.join_reshape),
    ("fold_quantised", fold_quantised.OPERATORS, fold_quantised.fold_quantised),
    ("keep_integers", keep_integers.OPERATORS, keep_integers.keep_integers),
)
_MOST_ROUNDS = 100


@dataclass(frozen=True)
class Normalised:
    """``model`` in the readers' form, ``reference``: the file's, of pinned sizes, and what a user should know."""

    model: onnx.ModelProto
    reference: onnx.ModelProto
    notes: tuple[str, ...]


def normalise(
    model: onnx.ModelProto,
    sizes: Sequence[InputSize] = (),
    label: str = "the ONNX model",
    guess: bool = False,
    keep_halves: bool = True,
) -> Normalised:
    """The normal form of a valid model, which is left as it was.

    Args:
        model: of any exporter, opset and size.
        sizes: of its inputs, see ``pin_sizes``.
        label: what to call it in messages.
        guess: see ``pin_sizes``.
        keep_halves: see ``widen_halves``.

    Raises:
        ConfigError: a size is missing or wrong, ONNX Runtime can't run the model, or it has what no reader takes.
        ParityError: a rewrite changed what it computes (a bug, named).
    """
    pinned, notes = pin_sizes(drop_weight_inputs(model), sizes, label, guess)
    reference, repaired = repair_slopes(pinned, label)
    reference, widened = widen_halves(reference, label, keep_halves)
    result = _rewritten(reference, label, REWRITES)
    if result is not reference or sizes:
        _check(reference, result, label, bool(sizes))
    return Normalised(result, reference, (*notes, *repaired, *widened))


def _rewritten(reference: onnx.ModelProto, label: str, rewrites: Sequence[Step]) -> onnx.ModelProto:
    """``reference`` itself where nothing in it is to be rewritten."""
    raised = raise_opset(rewrite_qoperators(fill_sparse(inline_functions(reference)), label))
    model = ir.from_proto(infer_shapes(raised))
    changed = fold_constants(model)
    check_structure(model.graph, label)
    changed |= _rewrite(model, rewrites)
    if raised is reference and not changed:
        return reference
    common.RemoveUnusedNodesPass()(model)
    common.NameFixPass()(model)
    common.TopologicalSortPass()(model)
    return ir.to_proto(model)


def _rewrite(model: ir.Model, rewrites: Sequence[Step]) -> bool:
    """Every rewrite at every node, in turn, until none finds anything."""
    changed = False
    for _ in range(_MOST_ROUNDS):
        found = False
        for _, operators, rewrite in rewrites:
            for node in list(model.graph):
                if node.op_type in operators and node.domain in ("", "ai.onnx") and node.graph is not None:
                    found |= rewrite(node)
            common.RemoveUnusedNodesPass()(model)
        if not found:
            return changed
        changed = True
    raise PassError(f"the rewrites of an ONNX model do not come to an end in {_MOST_ROUNDS} rounds")


def _specs(model: onnx.ModelProto, label: str) -> list[TensorSpec]:
    return [spec_of(value, label) for value in inputs_of(model.graph)]


def _check(reference: onnx.ModelProto, result: onnx.ModelProto, label: str, sizes: bool) -> None:
    """Compare the whole, and where it differs say which step is to blame."""
    inputs = [random_input(spec, index) for index, spec in enumerate(_specs(reference, label))]
    try:
        expected = run_onnx(reference, inputs)
    except ConfigError as error:
        raise ConfigError(misfit(reference.graph, label, str(error)) if sizes else f"{label}: {error}") from error
    try:
        _compare(result, reference, inputs, expected)
    except (ParityError, ConfigError) as error:
        raise ParityError(
            f"{label}: {_blamed(reference, label, inputs, expected)} changed the network: {error}"
        ) from error


def _compare(
    result: onnx.ModelProto, reference: onnx.ModelProto, inputs: Sequence[Array], expected: Sequence[Array]
) -> None:
    """What ONNX Runtime makes of both or, where its rounding is in the way, what they are in float64."""
    tolerance = _tolerance(reference)
    try:
        _check_same(run_onnx(result, inputs), expected, tolerance)
    except ParityError:
        found, wanted = exact_of(result, inputs)(), exact_of(reference, inputs)()
        if tolerance != TOLERANCE or found is None or wanted is None:
            raise
        _check_same(found, wanted, tolerance)


def _check_same(found: Sequence[Array], expected: Sequence[Array], tolerance: float) -> None:
    """Numbers that are not finite, as random inputs may make them, are to be the same ones."""
    pairs = [_without_same(got, wanted) for got, wanted in zip(found, expected, strict=True)]
    check_close("normalised", [got for got, _ in pairs], [wanted for _, wanted in pairs], tolerance)


def _without_same(got: Array, wanted: Array) -> tuple[Array, Array]:
    if wanted.dtype.kind != "f" or got.shape != wanted.shape:
        return got, wanted
    same = ~np.isfinite(wanted) & ((got == wanted) | (np.isnan(got) & np.isnan(wanted)))
    return np.where(same, 0, got), np.where(same, 0, wanted)


def _tolerance(model: onnx.ModelProto) -> float:
    quantised = any(node.op_type == "DequantizeLinear" for node in model.graph.node)
    return QUANTISED_TOLERANCE if quantised or has_qoperators(model) else TOLERANCE


def _blamed(reference: onnx.ModelProto, label: str, inputs: Sequence[Array], expected: Sequence[Array]) -> str:
    for count in range(len(REWRITES) + 1):
        try:
            partly = _rewritten(reference, label, REWRITES[:count])
            _compare(partly, reference, inputs, expected)
        except (ParityError, ConfigError):
            return REWRITES[count - 1][0] if count else "the conversion to one opset, or the folding of constants,"
    return "their order"
