"""From a checked ONNX model to machine code: import, workloads, and numbers that are computed here."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import onnx
import pytest

from rdpass.core.comparison import relative_error
from rdpass.core.errors import ConfigError, TargetError
from rdpass.core.optimization import Optimize
from rdpass.deploy.lowering import (
    build,
    import_onnx,
    lower_for,
    network_of,
    run_here,
    tvm_target,
    workloads_of,
    write_library,
)
from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.read.constants import packed_constants
from rdpass.passes.lowering.read.fallbacks import find_kernels
from rdpass.targets.lookup import Target, find_target, host_target, with_byte_products
from rdpass.targets.toolchain import Compiler, find_compiler
from tests.onnx.nets import Net
from tests.onnx.qdq import QdqNet


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


# Kernels for speed, for size, and for something of both


def layers(net: Net) -> str:
    """3 x 3 of stride 1 and 2, a shortcut that is kept, and channels that fill no block."""
    x = net.relu(net.add(net.conv("x0", 64, 64, 3), "x0"))
    return net.relu(net.conv(x, 64, 20, 3, stride=2))


def test_whatever_kernels_are_chosen_for_the_numbers_are_the_models_and_its_module_stays() -> None:
    net = Net((1, 64, 28, 28))
    model, inputs = net.model(layers(net)), net.example()
    module = import_onnx(read_onnx(model))
    before, fastest = module.script(), packed_constants(lower_for(module, host_target()))
    settings: tuple[Optimize, ...] = ("balanced", "size")
    balanced, smallest = (build(module, host_target(), optimize=optimize) for optimize in settings)
    for lowered in (balanced, smallest):
        (got,) = run_here(lowered, inputs)
        assert relative_error(got, run_onnx(model, inputs)[0]) <= 2e-5
    assert smallest.constants.packed < balanced.constants.packed < fastest.packed
    assert smallest.constants.transformed == 0 < balanced.constants.transformed < fastest.transformed
    assert module.script() == before


def test_networks_of_bytes_take_direct_kernels_for_size_and_every_sum_stays_exact() -> None:
    net = QdqNet((1, 64, 28, 28))
    x = net.quantised("x0")
    for _ in range(2):
        x = net.layer(x, "Conv", (64, 64, 3, 3), 0, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        x = net.quantised(net.relu(x))
    model, inputs = net.model(x), net.example()
    module, here, board = import_onnx(read_onnx(model)), with_byte_products(host_target()), find_target("rpi4")
    (got,) = run_here(build(module, here, optimize="size"), inputs)
    assert np.array_equal(got, integer_run(model, inputs)[0])
    for optimize, kind, bytes_each in (("speed", "winograd", 2 * 36), ("size", "direct", 9)):
        lowered = lower_for(module, board, optimize=optimize)
        assert {k.name.split("_")[1] for k in find_kernels(lowered) if "quant" not in k.name} == {kind}
        weights = 2 * 64 * 64 * bytes_each
        assert weights <= packed_constants(lowered).packed <= weights + 5000  # and biases, factors, scales


def test_in_half_precision_sizes_are_half_as_large() -> None:
    net = Net((1, 64, 28, 28))
    source = read_onnx(net.model(layers(net)))
    found = {}
    for precision in ("float32", "fp16"):
        lowered = lower_for(network_of(source, find_target("rpi5"), precision), find_target("rpi5"), optimize="size")
        assert not any("winograd" in kernel.name for kernel in find_kernels(lowered))
        found[precision] = packed_constants(lowered)
        assert found[precision].transformed == 0
    assert found["fp16"].packed == pytest.approx(found["float32"].packed / 2, rel=0.05)  # blocks of 8, not of 4
