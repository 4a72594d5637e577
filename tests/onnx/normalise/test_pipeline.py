"""The whole of the front: what needs nothing stays as it is; three spellings are one network."""

from __future__ import annotations

from typing import Any

import onnx
import pytest

from rdpass.core.errors import ParityError
from rdpass.onnx.normalise import pipeline
from rdpass.onnx.normalise.graph import remake
from rdpass.onnx.normalise.pipeline import normalise
from tests.onnx.nets import Net
from tests.onnx.normalise.models import numbers, parsed

SPELLINGS = (
    "q = Conv<strides=[2, 2], pads=[0, 0, 1, 1]>(x, w) y = Relu(q)",
    'q = Conv<strides=[2, 2], auto_pad="SAME_UPPER">(x, w) y = Relu(q)',
    "p = Constant<value_ints=[0, 0, 0, 0, 0, 0, 1, 1]>() r = Pad(x, p) q = Conv<strides=[2, 2]>(r, w) y = Relu(q)",
)


def test_a_model_in_normal_form_stays_byte_for_byte() -> None:
    net = Net((1, 3, 8, 8))
    model = net.model(net.relu(net.norm(net.conv("x0", 3, 4, 3), 4)))
    assert normalise(model).model.SerializeToString() == model.SerializeToString()


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}


def test_three_spellings_of_a_network_are_one() -> None:
    found = []
    for body in SPELLINGS:
        model = normalise(parsed(body, weights={"w": numbers(4, 3, 3, 3)})).model
        found.append(
            [(n.op_type, {a.name: onnx.helper.get_attribute_value(a) for a in n.attribute}) for n in model.graph.node]
        )
    assert found[0] == found[1] == found[2] == [("Conv", {"strides": [2, 2], "pads": [0, 0, 1, 1]}), ("Relu", {})]


def test_a_rewrite_that_changes_the_network_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(node: object) -> bool:
        if not remade:
            remake(node, pads=[1, 1, 1, 1], strides=None)  # type: ignore[arg-type]
            remade.append(node)
            return True
        return False

    remade: list[object] = []
    spoiled = (*pipeline.REWRITES, ("spoil", ("Relu", "Conv"), spoil))
    monkeypatch.setattr(pipeline, "REWRITES", spoiled)
    with pytest.raises(ParityError, match="changed the network"):
        normalise(
            parsed("q = Conv<strides=[1, 1], pads=[0, 0, 2, 2]>(x, w) y = Relu(q)", weights={"w": numbers(4, 3, 3, 3)})
        )


def test_where_onnx_runtime_rounds_too_much_to_tell_the_rewrites_are_judged_in_float64(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = parsed(SPELLINGS[1], weights={"w": numbers(4, 3, 3, 3)})
    real, calls = pipeline.run_onnx, []

    def coarse(*given: Any) -> list[Any]:
        calls.append(given)
        return [y * (1 + 1e-4 * (len(calls) % 2)) for y in real(*given)]

    monkeypatch.setattr(pipeline, "run_onnx", coarse)
    assert [node.op_type for node in normalise(model).model.graph.node] == ["Conv", "Relu"]
    assert len(calls) == 2
    monkeypatch.setattr(pipeline, "exact_of", lambda *_: lambda: None)
    with pytest.raises(ParityError, match="changed the network"):
        normalise(model)
