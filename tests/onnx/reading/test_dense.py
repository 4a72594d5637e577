"""Products of matrices."""

from __future__ import annotations

import pytest

from tests.onnx.normalise.models import numbers
from tests.onnx.reading.read import layers, read


@pytest.mark.parametrize(
    ("node", "layer"),
    [
        ("Gemm(x, w)", ["Linear"]),
        ("Gemm(x, w, b)", ["Linear"]),
        ("Gemm<transB=1>(x, v, b)", ["Linear"]),
        ("Gemm<alpha=0.5, beta=2.0>(x, w, b)", ["Linear"]),
        ("Gemm(x, w, one)", ["Linear"]),
        ("Gemm(x, w, row)", ["Linear"]),
        ("Gemm(x, w, full)", []),
        ("Gemm<transA=1>(x, t, b)", []),
        ("MatMul(x, w)", ["Linear"]),
        ("MatMul(w2, x)", []),
    ],
)
def test_layers(node: str, layer: list[str]) -> None:
    module = read(f"y = {node}", "float[3, 4] x", w=numbers(4, 5), v=numbers(5, 4), b=numbers(5), one=numbers(1),
                  row=numbers(1, 5), full=numbers(3, 5), t=numbers(3, 5), w2=numbers(6, 3))  # fmt: skip
    assert layers(module) == layer


@pytest.mark.parametrize("order", ["m, b", "b, m"])
@pytest.mark.parametrize("sizes", ["3, 4", "2, 3, 4"])
def test_a_bias_added_to_a_product_is_the_layers(order: str, sizes: str) -> None:
    module = read(f"m = MatMul(x, w) y = Add({order})", f"float[{sizes}] x", w=numbers(4, 5), b=numbers(5))
    assert layers(module) == ["Linear"]
    assert "add" not in module.code


def test_products_of_what_is_computed() -> None:
    read("y = MatMul(x, z)", "float[2, 3, 4] x, float[2, 4, 5] z")
    read('y = Einsum<equation="bij,bjk->bik">(x, z)', "float[2, 3, 4] x, float[2, 4, 5] z")
