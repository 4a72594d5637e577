"""Fingerprints: the same of equal code, others of other code, and nameless ones that only names leave alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

import rdpass
from benchmarks.fingerprinting.comparing import differences
from benchmarks.fingerprinting.inspections import SPECS, inspection_fingerprints
from benchmarks.fingerprinting.libraries import library_fingerprint
from benchmarks.fingerprinting.nameless import calls_of, numbered
from benchmarks.fingerprinting.student import tensor_digest
from benchmarks.fingerprinting.watching import placement_kind, watched
from rdpass.capture.torchvision_import import prepare_torchvision
from tests.onnx.nets import Net


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution, another one twice with other weights, and a mean."""
    net = Net((1, 3, 9, 9))
    x = net.relu(net.conv("x0", 3, 16, 3))
    for _ in range(2):
        x = net.relu(net.conv(x, 16, 16, 3))
    path = tmp_path_factory.mktemp("fingerprints") / "net.onnx"
    onnx.save(net.model(net.node("GlobalAveragePool", x)), path)
    return path


@pytest.fixture(scope="module")
def before(model: Path) -> dict[str, Any]:
    return library_fingerprint(model, "host")


KIND = placement_kind()


def renamed(self: Any, machine: Any, make: Any = KIND.kernel) -> Any:
    """A kernel by another name, which sorts the other way round."""
    made = make(self, machine)
    return replace(made, name=f"k{made.name[::-1]}")


def test_a_network_built_twice_has_equal_fingerprints(model: Path, before: dict[str, Any], tmp_path: Path) -> None:
    assert differences({"libraries": before}, {"libraries": library_fingerprint(model, "host", side=tmp_path)}) == []
    assert {path.name for path in tmp_path.iterdir()} == {"manifest.json", "main.txt", "functions.txt"}


def test_a_kernel_has_its_calls_its_code_its_workload_and_its_tile(before: dict[str, Any]) -> None:
    kernels = {name: facts for name, facts in before["kernels"].items() if facts["tile"] is not None}
    assert sorted(facts["calls"] for facts in kernels.values()) == [1, 1, 2]
    assert all("Tile(" in facts["tile"] and facts["workload"] for facts in kernels.values())
    assert len({facts["code"] for facts in before["kernels"].values()}) == len(before["kernels"])


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["vm", "none"])
def test_other_names_give_another_library_and_the_same_nameless_one(
    model: Path, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = library_fingerprint(model, "host", runtime)
    monkeypatch.setattr(KIND, "kernel", renamed)
    other = library_fingerprint(model, "host", runtime)
    assert other["library"]["sha256"] != named["library"]["sha256"]
    assert other["nameless_sha256"] == named["nameless_sha256"]
    assert [kernel["code"] for kernel in other["kernels"].values()] == [
        kernel["code"] for kernel in named["kernels"].values()
    ]


@pytest.mark.slow
def test_one_weight_changed_changes_the_nameless_library(model: Path, before: dict[str, Any], tmp_path: Path) -> None:
    changed = onnx.load(model)
    values = onnx.numpy_helper.to_array(changed.graph.initializer[0]).copy()
    values.flat[0] += 1
    changed.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(values, changed.graph.initializer[0].name))
    onnx.save(changed, tmp_path / "changed.onnx")
    after = library_fingerprint(tmp_path / "changed.onnx", "host")
    assert after["nameless_sha256"] != before["nameless_sha256"]
    assert after["activation_bytes"] == before["activation_bytes"]


def test_a_function_that_is_no_longer_called_is_numbered_too(tmp_path: Path) -> None:
    net = Net((1, 3, 8, 8))
    parts = [net.relu(net.conv("x0", 3, 16, 3)) for _ in range(2)]
    onnx.save(net.model(net.conv(net.node("Concat", *parts, axis=1), 32, 16)), tmp_path / "net.onnx")
    with watched() as seen:
        rdpass.compile(tmp_path / "net.onnx", out=tmp_path / "net.rdp", show_progress=False)
    assert seen.module is not None
    names = {variable.name_hint for variable in seen.module.get_global_vars()}
    assert names > {"main", *calls_of(seen.module)}
    numbers = {variable.name_hint for variable in numbered(seen.module).get_global_vars()}
    assert numbers == {"main", *(f"kernel_{index}" for index in range(len(names) - 1))}


def test_a_changed_entry_is_reported_with_its_path_and_what_was_not_asked_for_is_not() -> None:
    one = {"libraries": {"net": {"host-vm": {"nameless_sha256": 1}, "rpi4-vm": {"nameless_sha256": 2}}}, "student": {}}
    other = {"libraries": {"net": {"host-vm": {"nameless_sha256": 3}}}}
    (found,) = differences(one, other)
    assert str(found) == "libraries / net / host-vm / nameless_sha256: 1 -> 3"
    assert not found.in_names
    assert differences(one, one) == []


def test_a_kernel_by_another_name_differs_in_its_name_alone_and_other_code_is_told_besides() -> None:
    def built(kernels: dict[str, Any]) -> dict[str, Any]:
        return {"libraries": {"net": {"host-vm": {"kernels": kernels}}}}

    one = built({"a": {"calls": 2, "code": "5"}, "b": {"calls": 1, "code": "7"}})
    named = differences(one, built({"c": {"calls": 2, "code": "5"}, "b": {"calls": 1, "code": "7"}}))
    assert [(found.path[-2:], found.in_names) for found in named] == [(("0", "name"), True)]
    changed = differences(one, built({"a": {"calls": 2, "code": "6"}}))
    assert [(found.path[-1], found.in_names) for found in changed] == [("code", False), ("1", False)]


def test_an_inspection_has_the_same_digest_twice_and_its_answer_is_kept(tmp_path: Path) -> None:
    prepare_torchvision()
    pytest.importorskip("timm", reason="the zoo is an extra")
    first, second = (dict(inspection_fingerprints(SPECS[:1], tmp_path)) for _ in range(2))
    assert first == second
    assert '"schema_version"' in (tmp_path / "timm-resnet18.json").read_text()
    assert len(SPECS) >= 40


def test_a_tensors_digest_tells_types_shapes_and_signs_of_zero_apart() -> None:
    zero = torch.zeros(4)
    others = [zero.double(), zero.reshape(2, 2), -zero]
    assert len({tensor_digest(tensor) for tensor in [zero, *others]}) == 4
    assert tensor_digest(zero) == tensor_digest(torch.zeros(4))
