"""From a checked ONNX model to machine code: import, workloads, and numbers that are computed here."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import onnx
import pytest

from rdpass.core.comparison import relative_error
from rdpass.core.errors import ConfigError, TargetError
from rdpass.deploy.lowering import build, import_onnx, run_here, tvm_target, workloads_of, write_library
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import read_onnx
from rdpass.targets.lookup import Target, find_target, host_target
from rdpass.targets.toolchain import Compiler, find_compiler
from tests.onnx.nets import Net


def parsed(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 18]> {text}')


def test_a_target_is_said_as_tvm_says_it() -> None:
    board = find_target("rpi4")
    attributes = tvm_target(board).attrs
    assert (attributes["mtriple"], attributes["mcpu"], int(attributes["num-cores"])) == (board.triple, board.cpu, 4)
    with pytest.raises(TargetError, match="LLVM knows no CPU"):
        tvm_target(Target("mine", board.triple, "cortex-a999", 4, ()))


def test_weights_are_constants_and_only_inputs_are_parameters() -> None:
    net = Net((1, 6, 5, 5), (1, 4, 5, 5))
    module = import_onnx(read_onnx(net.model(net.add(net.conv("x0", 6, 4, 3), "x1"))))
    assert [parameter.name for parameter in module["main"].params] == ["x0", "x1"]


def test_an_operator_that_tvm_does_not_know_is_told_in_one_line() -> None:
    source = read_onnx(parsed("net (float[2, 2] x) => (float y) { y = Det(x) }"))
    with pytest.raises(ConfigError, match=r"node 'y' is a Det, which can't be built: TVM does not know it") as caught:
        import_onnx(source)
    assert "\n" not in str(caught.value)


def test_an_operator_that_tvms_importer_fails_at_is_told_in_one_line_and_tvm_says_nothing(capfd) -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 9, opset_import: ["" : 18, "com.microsoft" : 1]>
        net (float[1, 3, 4] x, float[4] scale, float[4] shift) => (float[1, 3, 4] y)
        { y = com.microsoft.SkipLayerNormalization(x, x, scale, shift) }"""
    )
    with pytest.raises(ConfigError, match="TVM can't import the ONNX model: SkipLayerNormalization"):
        import_onnx(read_onnx(model))
    gc.collect()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("batch", [1, 3])
def test_what_was_built_for_this_machine_computes_here_whatever_the_layout_of_the_inputs(batch: int) -> None:
    net = Net((batch, 5, 9, 7))
    model, (x,) = net.model(net.relu(net.conv("x0", 5, 7, 3, stride=2))), net.example()
    module = import_onnx(read_onnx(model))
    before = module.script()
    lowered = build(module, host_target())
    assert module.script() == before
    (plain,) = run_here(lowered, [x])
    (turned,) = run_here(lowered, [np.asfortranarray(x)])
    assert np.array_equal(plain, turned)
    assert relative_error(plain, run_onnx(model, [x])[0]) <= 1e-5
    assert lowered.memory.activations >= plain.nbytes


def test_workloads_are_listed_with_their_calls_for_any_target() -> None:
    net = Net((1, 8, 9, 7))
    module = import_onnx(read_onnx(net.model(net.relu(net.conv(net.relu(net.conv("x0", 8, 8, 3)), 8, 8, 3)))))
    for target in (host_target(), find_target("rpi4")):
        ((work, calls),) = ((found.workload, found.calls) for found in workloads_of(module, target))
        assert (work.describe(), calls) == ("conv 3x3 8-8 9x7", 2)


def test_a_linker_that_fails_is_named_by_its_version(tmp_path: Path) -> None:
    net = Net((1, 4, 5, 5))
    lowered = build(import_onnx(read_onnx(net.model(net.relu("x0")))), host_target())
    write_library(lowered, tmp_path / "model.so", find_compiler(host_target()))
    assert (tmp_path / "model.so").read_bytes()[:4] == b"\x7fELF"
    with pytest.raises(TargetError, match=r"made up 1\.0 could not link other\.so"):
        write_library(lowered, tmp_path / "other.so", Compiler("false", "made up 1.0"))
