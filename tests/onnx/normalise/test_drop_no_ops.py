"""Nodes that do nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.onnx.normalise.models import normalised, operators, parsed


@pytest.mark.parametrize(
    "node",
    ["Identity(x)", "Dropout(x)", "Cast<to=1>(x)", "Reshape(x, s)", "Pad(x, z)", "Sum(x)", "Concat<axis=1>(x)",
     "Transpose<perm=[0, 1, 2, 3]>(x)", "Expand(x, s)"],
)  # fmt: skip
def test_it_goes(node: str) -> None:
    weights = {"s": np.array([1, 3, 8, 8]), "z": np.zeros(8, np.int64)}
    assert operators(normalised(parsed(f"a = {node} y = Relu(a)", weights=weights))) == ["Relu"]
    assert operators(normalised(parsed(f"a = Relu(x) y = {node.replace('(x', '(a')}", weights=weights))) == ["Relu"]


def test_an_output_that_is_an_input_or_another_output_keeps_its_node() -> None:
    result = normalised(
        parsed("y = Identity(x) r = Relu(x) z = Identity(r)", outputs="float[] y, float[] r, float[] z")
    )
    assert [value.name for value in result.model.graph.output] == ["y", "r", "z"]
    assert operators(result).count("Identity") == 2


def test_a_mask_that_is_read_keeps_its_dropout() -> None:
    result = normalised(parsed("y, m = Dropout(x)", outputs="float[] y, bool[] m"))
    assert [value.name for value in result.model.graph.output] == ["y", "m"]
