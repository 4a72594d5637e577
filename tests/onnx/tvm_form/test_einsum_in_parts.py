"""Einsum as products of matrices, its numbers ONNX Runtime's."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from rdpass.core.errors import ConfigError
from rdpass.deploy.lowering import build, import_onnx, known_operators, run_here
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import read_onnx
from rdpass.onnx.tvm_form.pipeline import tvm_form
from rdpass.targets.lookup import host_target
from tests.onnx.normalise.models import numbers, parsed


def _model(equation: str, *shapes: tuple[int, ...]) -> onnx.ModelProto:
    names = [f"x{index}" for index in range(len(shapes))]
    inputs = ", ".join(f"float[{', '.join(map(str, s))}] {n}" for n, s in zip(names, shapes, strict=True))
    return parsed(f'y = Einsum<equation="{equation}">({", ".join(names)})', inputs)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bchw,dc->bdhw", [(2, 3, 4, 5), (6, 3)]),
        ("bhid,bhjd->bhij", [(1, 2, 3, 4), (1, 2, 5, 4)]),
        ("b h i j, b h j d -> b i h d", [(1, 2, 3, 5), (1, 2, 5, 4)]),
        ("ij,jk", [(2, 3), (3, 4)]),
        ("ba,cb", [(2, 3), (4, 2)]),
        ("i,j->ij", [(3,), (4,)]),
        ("ij,ij->", [(3, 4), (3, 4)]),
        ("ijk,j->k", [(2, 3, 4), (3,)]),
        ("...ij,...jk->...ik", [(2, 5, 3, 4), (2, 5, 4, 6)]),
        ("...ij,jk", [(2, 5, 3, 4), (4, 6)]),
        ("ab,bc,cd->ad", [(2, 3), (3, 4), (4, 5)]),
        ("ab,ac,ad->abcd", [(2, 3), (2, 4), (2, 5)]),
        ("abc->ca", [(2, 3, 4)]),
        ("abc->abc", [(2, 3, 4)]),
    ],
)
def test_products_sums_and_orders(equation: str, shapes: list[tuple[int, ...]]) -> None:
    model = _model(equation, *shapes)
    formed = tvm_form(model, known_operators(), "net")
    assert "Einsum" not in [node.op_type for node in formed.graph.node]
    given = [numbers(*shape, seed=index) for index, shape in enumerate(shapes)]
    (wanted,), (found,) = run_onnx(model, given), run_onnx(formed, given)
    assert found.shape == wanted.shape
    assert np.allclose(found, wanted, atol=1e-5)


def test_one_is_built() -> None:
    model = _model("bchw,dc->bdhw", (1, 3, 4, 5), (6, 3))
    given = [numbers(1, 3, 4, 5), numbers(6, 3, seed=1)]
    (found,) = run_here(build(import_onnx(read_onnx(model)), host_target()), given)
    assert np.allclose(found, run_onnx(model, given)[0], atol=1e-5)


@pytest.mark.parametrize(("equation", "shapes"), [("iij->j", [(3, 3, 2)]), ("ij,jk->ik", [(2, 1), (3, 4)])])
def test_what_has_no_such_form_is_refused_by_name(equation: str, shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ConfigError, match="node 'y' is a Einsum, which can't be built: it takes a diagonal"):
        tvm_form(_model(equation, *shapes), known_operators(), "net")
