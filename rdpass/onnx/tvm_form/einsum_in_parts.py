"""Einsum as products of matrices, two operands at a time.

With the letters of two operands sorted into b (in both and the result), k (in both alone), m and n (in one and the
result):

    left (b, m, k)  x  right (b, k, n)  ->  (b, m, n)

each group flattened to one axis. A letter of one operand that is nowhere else is summed before. An ellipsis stands for
letters of its own. A letter twice in one operand (a diagonal) has no such form.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from string import ascii_letters

import numpy as np
import onnx_ir as ir

from rdpass.onnx.normalise.graph import attribute, computed, constant, replace, reshaped, shape_of

OPERATORS = ("Einsum",)
Term = tuple[str, ir.Value]
Extents = dict[str, int]


def einsum_in_parts(node: ir.Node) -> bool:
    """Replace the node; False where a size is unknown, an operand broadcast along a letter, or a diagonal taken."""
    shapes = [shape_of(value) for value in node.inputs]
    spelled = None if None in shapes else _spelled(attribute(node, "equation"), [len(shape or ()) for shape in shapes])
    if spelled is None:
        return False
    terms, result = spelled
    extents: Extents = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, extent in zip(term, shape or (), strict=True):
            if extents.setdefault(letter, extent) != extent:
                return False
    if any(len(set(term)) < len(term) for term in terms):
        return False
    values = [(term, value) for term, value in zip(terms, node.inputs, strict=True) if value is not None]
    while len(values) > 1:
        left, right, *others = values
        kept = set(result).union(*(term for term, _ in others))
        values = [_product(node, left, right, kept, extents), *others]
    letters, value = _summed(node, values[0], set(result), extents)
    value = _ordered(node, (letters, value), result, extents)
    value = computed(node, "Identity", [value], shape_of(value)) if value in node.inputs else value
    value.type, value.shape = node.outputs[0].type, node.outputs[0].shape
    replace(node, value)
    return True


def _spelled(equation: str, ranks: Sequence[int]) -> tuple[list[str], str] | None:
    """The operands' letters and the result's, an ellipsis as letters that are free, a result that is left out."""
    given, arrow, result = equation.replace(" ", "").partition("->")
    terms = given.split(",")
    hidden = [
        rank - len(term.replace("...", "")) if "..." in term else 0 for term, rank in zip(terms, ranks, strict=True)
    ]
    free = [letter for letter in ascii_letters if letter not in equation][: max(hidden, default=0)]
    if min(hidden, default=0) < 0 or len(free) < max(hidden, default=0):
        return None
    if not arrow:
        plain = given.replace("...", "").replace(",", "")
        result = "..." * any(hidden) + "".join(sorted(letter for letter in set(plain) if plain.count(letter) == 1))
    spelled = [
        term.replace("...", "".join(free[len(free) - count :])) for term, count in zip(terms, hidden, strict=True)
    ]
    return spelled, result.replace("...", "".join(free))


def _product(node: ir.Node, left: Term, right: Term, kept: set[str], extents: Extents) -> Term:
    left = _summed(node, left, kept | set(right[0]), extents)
    right = _summed(node, right, kept | set(left[0]), extents)
    both = [letter for letter in left[0] if letter in right[0]]
    batch, inner = [c for c in both if c in kept], [c for c in both if c not in kept]
    rows, columns = ([c for c in term if c not in both] for term in (left[0], right[0]))
    matrices = [
        _flattened(node, left, (batch, rows, inner), extents), _flattened(node, right, (batch, inner, columns), extents)
    ]  # fmt: skip
    sizes = [prod(extents[c] for c in group) for group in (batch, rows, columns)]
    letters = "".join((*batch, *rows, *columns))
    return letters, _in_shape(node, computed(node, "MatMul", matrices, sizes), [extents[c] for c in letters])


def _flattened(node: ir.Node, term: Term, groups: Sequence[Sequence[str]], extents: Extents) -> ir.Value:
    turned = _ordered(node, term, "".join(c for group in groups for c in group), extents)
    return _in_shape(node, turned, [prod(extents[c] for c in group) for group in groups])


def _summed(node: ir.Node, term: Term, kept: set[str], extents: Extents) -> Term:
    letters, value = term
    axes = [axis for axis, letter in enumerate(letters) if letter not in kept]
    if not axes:
        return term
    left = "".join(letter for letter in letters if letter in kept)
    axes_value = constant(node, axes, np.int64)
    return left, computed(node, "ReduceSum", [value, axes_value], [extents[c] for c in left], keepdims=0)


def _ordered(node: ir.Node, term: Term, order: str, extents: Extents) -> ir.Value:
    letters, value = term
    if letters == order:
        return value
    perm = [letters.index(letter) for letter in order]
    return computed(node, "Transpose", [value], [extents[c] for c in order], perm=perm)


def _in_shape(node: ir.Node, value: ir.Value, shape: Sequence[int]) -> ir.Value:
    return value if shape_of(value) == tuple(shape) else reshaped(node, value, shape)
