import json
from dataclasses import asdict

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import rdpass
from rdpass.core.comparison import NumericGate
from rdpass.core.errors import ConfigError, ParityError, TraceError
from rdpass.core.files import file_digest
from rdpass.onnx.double_oracle import run_in_double
from rdpass.onnx.export import export_onnx
from rdpass.onnx.golden import golden_path
from rdpass.onnx.oracle import run_onnx
from tests.models import classifier, faint_detector, inverted_residual, seeded, small_resnet
from tests.support import Untouched


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    conversion = rdpass.convert(seeded(small_resnet), torch.randn(2, 3, 9, 9), recipe="carry", max_macs=10)
    return conversion, conversion.export_onnx(tmp_path_factory.mktemp("onnx") / "student.onnx")


def test_the_file_computes_what_torch_computes(exported):
    conversion, path = exported
    x = torch.randn(2, 3, 9, 9)
    (got,) = run_onnx(onnx.load(path), [x.numpy()])
    with torch.no_grad():
        np.testing.assert_allclose(got, conversion.student(x).numpy(), rtol=0, atol=1e-5 * np.abs(got).max())


def test_it_has_neither_batch_norms_nor_adds_and_static_shapes(exported):
    model = onnx.load(exported[1])
    assert {node.op_type for node in model.graph.node} <= {"Conv", "Relu", "ReduceMean", "GlobalAveragePool", "Gemm",
                                                          "Flatten", "Reshape"}  # fmt: skip
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims] == [2, 3, 9, 9]


def test_the_golden_values_beside_it_are_torchs_and_tied_to_the_file(exported):
    conversion, path = exported
    golden = np.load(golden_path(path))
    assert str(golden["onnx_sha256"]) == file_digest(path)
    assert np.array_equal(golden["input_0"], conversion.example[0].numpy())
    with torch.no_grad():
        expected = conversion.student(conversion.example[0]).numpy()
    assert np.abs(golden["output_0"] - expected).max() <= 1e-5 * np.abs(expected).max()


def test_the_gates_passed_are_in_the_file_and_nothing_of_the_machine(exported):
    model = onnx.load(exported[1])
    gates = json.loads(next(p.value for p in model.metadata_props if p.key == "rdpass.gates"))
    assert [gate["name"] for gate in gates][-3:] == ["deploy-form", "onnx", "onnx-simplified"]
    assert all(gate["error"] <= gate["tolerance"] for gate in gates)
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert b"/site-packages/" not in exported[1].read_bytes()


def test_an_existing_file_is_never_overwritten_without_force(exported, tmp_path):
    conversion, _ = exported
    path = tmp_path / "student.onnx"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        conversion.export_onnx(path)
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]
    conversion.export_onnx(path, force=True)
    onnx.checker.check_model(str(path))


def test_a_failed_gate_writes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr("rdpass.onnx.export.run_onnx", lambda model, inputs: [np.zeros((1, 5), np.float32)])
    with pytest.raises(ParityError, match="onnx: output 0 differs"):
        export_onnx(seeded(small_resnet), (torch.randn(1, 3, 9, 9),), tmp_path / "student.onnx")
    assert list(tmp_path.iterdir()) == []


def test_clamps_per_channel_and_gates_given_are_exported(tmp_path):
    model = seeded(lambda: classifier(inverted_residual(8, 12)))
    before = Untouched(model)
    conversion = rdpass.convert(model, torch.randn(1, 3, 8, 8), recipe="carry", max_macs=10)
    path = export_onnx(
        conversion.student, conversion.example, tmp_path / "e.onnx", gates=[NumericGate("mine", 0.5, 1.0)]
    )
    before.check()
    graph = onnx.load(path)
    assert {"Max", "Min"} <= {node.op_type for node in graph.graph.node}
    first = json.loads(graph.metadata_props[0].value)[0]
    assert first == asdict(NumericGate("mine", 0.5, 1.0))
    assert first["oracle"] == "float32"


def test_several_inputs_and_outputs_keep_their_order(tmp_path):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 4, 3, 2, 1)

        def forward(self, x, y):
            return self.b(y), {"first": self.a(x) + x[:, :2]}

    inputs = (torch.randn(1, 3, 6, 6), torch.randn(1, 3, 5, 5))
    model = Two().eval()
    path = export_onnx(model, inputs, tmp_path / "two.onnx")
    golden = np.load(golden_path(path))
    assert golden["output_0"].shape == (1, 4, 3, 3)
    assert golden["output_1"].shape == (1, 2, 6, 6)


def test_scores_that_onnx_runtime_can_not_tell_apart_are_compared_in_float64(tmp_path):
    model, example = faint_detector()
    path = export_onnx(model, (example,), tmp_path / "faint.onnx")
    gates = {gate["name"]: gate for gate in json.loads(onnx.load(path).metadata_props[0].value)}
    for name in ("onnx", "onnx-simplified"):
        assert (gates[name]["oracle"], gates[name]["tolerance"]) == ("float64", 1e-5)
        assert 0 < gates[name]["oracle_error"] < 1e-5  # torch's own
    assert gates["onnx"]["error"] < 1e-9


def test_a_file_that_computes_something_else_is_refused_however_coarse_the_runtime(monkeypatch, tmp_path):
    model, example = faint_detector()
    real = run_in_double
    monkeypatch.setattr("rdpass.onnx.double_oracle.run_in_double", lambda *given: [y * 1.0001 for y in real(*given)])
    with pytest.raises(ParityError, match=r"onnx: output 0 .*in float64 they differ by 0\.0001"):
        export_onnx(model, (example,), tmp_path / "faint.onnx")


def test_a_tolerance_of_the_users_is_recorded_as_theirs(tmp_path):
    model = seeded(small_resnet)
    path = export_onnx(model, (torch.randn(1, 3, 9, 9),), tmp_path / "s.onnx", tolerance=1e-3)
    gates = json.loads(onnx.load(path).metadata_props[0].value)
    assert {(gate["tolerance"], gate["tolerance_by"]) for gate in gates} == {(1e-3, "user")}
    with pytest.raises(ParityError), np.errstate(all="ignore"):
        export_onnx(model, (torch.randn(1, 3, 9, 9),), tmp_path / "t.onnx", tolerance=1e-12)
    assert not (tmp_path / "t.onnx").exists()


def test_an_output_that_is_none_is_left_out_and_torch_says_nothing(tmp_path, capfd):
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3)

        def forward(self, x):
            return self.conv(x), None

    export_onnx(Half(), (torch.randn(1, 3, 5, 5),), tmp_path / "half.onnx")
    assert len(onnx.load(tmp_path / "half.onnx").graph.output) == 1
    assert capfd.readouterr() == ("", "")


def test_an_operator_that_onnx_lacks_is_named_in_one_line_and_nothing_is_written(tmp_path):
    class Bessel(nn.Module):
        def forward(self, x):
            return torch.special.bessel_j0(x)

    with pytest.raises(TraceError, match=r"bessel_j0.*written with others") as caught:
        export_onnx(Bessel(), (torch.randn(1, 3),), tmp_path / "net.onnx")
    assert "\n" not in str(caught.value)
    assert "github" not in str(caught.value).lower()
    assert not list(tmp_path.iterdir())
