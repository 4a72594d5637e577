"""Constants of no numbers, as opset 11 had them before a Resize."""

from __future__ import annotations

import numpy as np
import pytest

from rdpass.deploy.lowering import import_onnx
from rdpass.onnx.source import read_onnx
from tests.onnx.normalise.models import attributes, normalised, parsed

NONE = np.zeros(0, np.float32)
SIZES, SCALES = np.array([1, 3, 16, 12]), np.array([1, 1, 2, 1.5], np.float32)


@pytest.mark.parametrize("opset", [11, 12, 13, 18])
@pytest.mark.parametrize(
    ("inputs", "kept"), [("x, none, none, sizes", [3]), ("x, none, scales", [2]), ("x, region, scales", [2])]
)
def test_empty_inputs_are_left_out(inputs: str, kept: list[int], opset: int) -> None:
    weights = {"none": NONE, "sizes": SIZES, "scales": SCALES, "region": np.float32([0, 0, 0, 0, 1, 1, 1, 1])}
    named = {name: array for name, array in weights.items() if name in inputs}
    model = parsed(f'y = Resize<mode="linear">({inputs})', opset=opset, weights=named)
    (node,) = normalised(model).model.graph.node
    assert [index for index, name in enumerate(node.input) if name and index] == kept
    import_onnx(read_onnx(model))


def test_a_region_that_is_read_stays() -> None:
    weights = {"region": np.float32([0, 0, 0.1, 0.2, 1, 1, 0.9, 0.8]), "scales": SCALES}
    way = 'coordinate_transformation_mode="tf_crop_and_resize"'
    result = normalised(parsed(f"y = Resize<{way}>(x, region, scales)", weights=weights))
    assert result.model.graph.node[0].input[1]
    assert attributes(result, "Resize")["coordinate_transformation_mode"]
