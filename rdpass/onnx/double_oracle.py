"""An ONNX network of floats computed in float64: what float32 would give if it did not round.

It is the judge where two float32 runs differ by more than a gate allows: the one that rounds worse is off by more here.
Operators are ONNX's own reference implementations, which know neither ONNX Runtime nor our readers; numpy does what is
slow there (sums over windows), rounds to float32 inside or is not there. Maps are dropped after their last use, so that
the memory is that of the network.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.inliner import inline_local_functions
from onnx.numpy_helper import to_array
from onnx.reference import ReferenceEvaluator

from rdpass.core.comparison import Array, Exact
from rdpass.core.errors import ConfigError, first_line
from rdpass.onnx.window_sums import convolve_transposed, max_pool, sums_and_counts, windows_of

log = logging.getLogger(__name__)

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)

Attributes = Mapping[str, Any]


def run_in_double(model: onnx.ModelProto | str | Path, inputs: Sequence[Array]) -> list[Array]:
    """Compute a network of floats in float64.

    Args:
        model: of one graph without branches and loops, or its file.
        inputs: arrays in the model's order, of its shapes.

    Returns:
        The outputs in the model's order, float64 where they are floats.

    Raises:
        ConfigError: a node can't be computed; the message names it.

    Example:
        >>> run_in_double("student.onnx", [image])[0].dtype
        dtype('float64')
    """
    whole = model if isinstance(model, onnx.ModelProto) else onnx.load(model)
    graph = (inline_local_functions(whole) if whole.functions else whole).graph
    opsets = list(whole.opset_import)
    values = {tensor.name: _doubled(to_array(tensor)) for tensor in graph.initializer}
    given = [value.name for value in graph.input if value.name not in values]
    values |= {name: _doubled(np.asarray(x)) for name, x in zip(given, inputs, strict=True)}
    dropped = _last_uses(graph)
    with np.errstate(all="ignore"):  # an exponential that overflows on its way to 0 is nobody's concern
        for index, node in enumerate(graph.node):
            values |= _computed(node, values, opsets)
            for name in dropped.get(index, ()):
                values.pop(name, None)
    return [values[output.name] for output in graph.output]


def exact_of(model: onnx.ModelProto, inputs: Sequence[Array]) -> Exact:
    """``run_in_double`` for a comparison to ask for: at once None where it can't be computed, and computed once."""

    @cache
    def exact() -> list[Array] | None:
        try:
            return run_in_double(model, inputs)
        except ConfigError as error:
            log.debug("no run in float64: %s", error)
            return None

    return exact


def _doubled(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype.kind == "f" or array.dtype.name == "bfloat16" else array


def _last_uses(graph: onnx.GraphProto) -> dict[int, list[str]]:
    """The values that nothing reads after the node at an index."""
    last = {name: index for index, node in enumerate(graph.node) for name in (*node.input, *node.output)}
    kept = {output.name for output in graph.output}
    uses: dict[int, list[str]] = {}
    for name, index in last.items():
        if name not in kept:
            uses.setdefault(index, []).append(name)
    return uses


def _computed(
    node: onnx.NodeProto, values: Mapping[str, Array], opsets: Sequence[onnx.OperatorSetIdProto]
) -> dict[str, Array]:
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    attributes = {name: value.decode() if isinstance(value, bytes) else value for name, value in attributes.items()}
    given = [values[name] if name else None for name in node.input]
    own = _OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") and len(node.output) == 1 else None
    try:
        result = own(attributes, given) if own else None
        found = [result] if result is not None else _by_definition(node, given, opsets)
    except Exception as error:  # numpy's and the reference evaluator's, of whatever kind
        raise ConfigError(
            f"node {node.name or node.output[0]!r} ({node.op_type}) can't be computed in float64: {first_line(error)}"
        ) from error
    return {name: _doubled(np.asarray(value)) for name, value in zip(node.output, found, strict=False) if name}


def _by_definition(
    node: onnx.NodeProto, given: Sequence[Array | None], opsets: Sequence[onnx.OperatorSetIdProto]
) -> list[Array]:
    names = list(dict.fromkeys(name for name in node.input if name))
    outputs = [name for name in node.output if name]
    function = onnx.helper.make_function("oracle", "node", names, outputs, [node], opsets)
    feeds = {name: value for name, value in zip(node.input, given, strict=True) if name}
    found = iter(ReferenceEvaluator(function).run(None, feeds, {}))
    return [np.asarray(next(found)) if name else np.zeros(0) for name in node.output]


def _convolve(attributes: Attributes, given: Sequence[Array | None]) -> Array:
    """``Conv``, one tap of the filter after the other: nothing larger than a map is made."""
    x, weights, *rest = given
    assert x is not None
    assert weights is not None
    kernel, groups = weights.shape[2:], int(attributes.get("group", 1))
    windows = windows_of(x, kernel, attributes)
    places = windows.shape[2 : 2 + len(kernel)]
    filters = weights.reshape(groups, len(weights) // groups, *weights.shape[1:])
    total: Any = 0.0
    for tap in np.ndindex(*kernel):
        columns = windows[(..., *tap)].reshape(len(x), groups, weights.shape[1], -1)
        taps = filters[(..., *tap)]
        total = total + (taps * columns if weights.shape[1] == 1 else taps @ columns)
    return _with_bias(total.reshape(len(x), len(weights), *places), rest)


def _convolve_transposed(attributes: Attributes, given: Sequence[Array | None]) -> Array:
    x, weights, *rest = given
    assert x is not None
    assert weights is not None
    return _with_bias(convolve_transposed(x, weights, attributes), rest)


def _with_bias(total: Array, rest: Sequence[Array | None]) -> Array:
    bias = rest[0] if rest else None
    return total if bias is None else total + bias.reshape(-1, *[1] * (total.ndim - 2))


def _max_pool(attributes: Attributes, given: Sequence[Array | None]) -> Array | None:
    x = given[0]
    return max_pool(x, attributes) if x is not None and x.dtype.kind == "f" else None


def _average_pool(attributes: Attributes, given: Sequence[Array | None]) -> Array | None:
    x = given[0]
    if x is None:
        return None
    sums, counts = sums_and_counts(x, attributes)
    return sums / counts


def _cast(attributes: Attributes, given: Sequence[Array | None]) -> Array | None:
    """A number that is cast to float32 for the sake of its type is not rounded."""
    x = given[0]
    return x if x is not None and x.dtype.kind == "f" and attributes["to"] in _FLOATS else None


def _erf(attributes: Attributes, given: Sequence[Array | None]) -> Array | None:
    x = given[0]
    if x is None or x.dtype.kind != "f":
        return None
    erf: Array = np.vectorize(math.erf, otypes=[np.float64])(x)
    return erf


def _gelu(attributes: Attributes, given: Sequence[Array | None]) -> Array | None:
    x = given[0]
    if x is None:
        return None
    tanh: Array = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    curve = tanh if attributes.get("approximate", "none") == "tanh" else _erf(attributes, [x / math.sqrt(2)])
    return None if curve is None else x * (1 + curve) / 2


def _layer_norm(attributes: Attributes, given: Sequence[Array | None]) -> Array:
    x, scale, *rest = given
    assert x is not None
    assert scale is not None
    y = _standardised(x, range(attributes.get("axis", -1) % x.ndim, x.ndim), attributes) * scale
    return y if not rest or rest[0] is None else y + rest[0]


def _rms_norm(attributes: Attributes, given: Sequence[Array | None]) -> Array:
    x, scale = given
    assert x is not None
    assert scale is not None
    axes = tuple(range(attributes.get("axis", -1) % x.ndim, x.ndim))
    power: Array = (x**2).mean(axes, keepdims=True) + attributes.get("epsilon", 1e-5)
    y: Array = x / np.sqrt(power) * scale
    return y


def _group_norm(attributes: Attributes, given: Sequence[Array | None]) -> Array:
    """Scale and bias have one number for each channel or, until opset 20, for each group."""
    x, scale, bias = given
    assert x is not None
    assert scale is not None
    assert bias is not None
    groups = x.reshape(len(x), attributes["num_groups"], -1)
    y = _standardised(groups, (2,), attributes).reshape(x.shape)
    by_channel = [np.repeat(each, x.shape[1] // len(each)).reshape(-1, *[1] * (x.ndim - 2)) for each in (scale, bias)]
    result: Array = y * by_channel[0] + by_channel[1]
    return result


def _standardised(x: Array, axes: Iterable[int], attributes: Attributes) -> Array:
    over = tuple(axes)
    centred = x - x.mean(over, keepdims=True)
    variance: Array = (centred**2).mean(over, keepdims=True)
    y: Array = centred / np.sqrt(variance + attributes.get("epsilon", 1e-5))
    return y


_OPERATORS: Mapping[str, Callable[[Attributes, Sequence[Array | None]], Array | None]] = {
    "Conv": _convolve,
    "ConvTranspose": _convolve_transposed,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "Cast": _cast,
    "Erf": _erf,
    "Gelu": _gelu,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
    "GroupNormalization": _group_norm,
}
