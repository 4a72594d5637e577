"""Which ONNX files are taken."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from benchmarks.corpus_files import graphs
from rdpass.core.errors import ConfigError
from rdpass.deploy.lowering import import_onnx
from rdpass.onnx.source import GATES_KEY, read_onnx


def test_names_shapes_and_types_are_read(two_by_two_onnx: Path) -> None:
    source = read_onnx(two_by_two_onnx)
    assert [(s.name, s.shape) for s in source.inputs] == [("left", (2, 4)), ("right", (6,))]
    assert [s.name for s in source.outputs] == ["total", "positive"]
    assert source.gates == ()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.onnx can't be read"):
        read_onnx(tmp_path / "none.onnx")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        read_onnx(tmp_path)


def test_weights_that_lie_beyond_the_end_of_their_file_are_refused(residual_onnx: Path, tmp_path: Path) -> None:
    model, path = onnx.load(residual_onnx), tmp_path / "net.onnx"
    onnx.save(model, path, save_as_external_data=True, location="net.bin", size_threshold=0)
    (tmp_path / "net.bin").write_bytes((tmp_path / "net.bin").read_bytes()[:10])
    with pytest.raises(ConfigError, match="not a valid ONNX model"):
        read_onnx(path)


@pytest.mark.parametrize("size", [0, 100, 1000, -1])
def test_a_truncated_file_is_refused(residual_onnx: Path, tmp_path: Path, size: int) -> None:
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(residual_onnx.read_bytes()[:size])
    with pytest.raises(ConfigError, match="not a valid ONNX model"):
        read_onnx(torn)


def test_a_file_that_is_not_onnx_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(b"\x89PNG" * 50)
    with pytest.raises(ConfigError, match="not a valid ONNX model"):
        read_onnx(other)


def test_an_open_batch_is_one_and_said_so(dynamic_onnx: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = read_onnx(dynamic_onnx)
    assert [spec.shape for spec in (*source.inputs, *source.outputs)] == [(1, 3, 17, 15), (1, 5)]
    assert "'x' is taken as 1x3x17x15; set it with --input" in caplog.text


def test_a_model_whose_shapes_contradict_its_graph_is_refused(residual_onnx: Path) -> None:
    model = onnx.load(residual_onnx)
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 6
    with pytest.raises(ConfigError, match="not a valid ONNX model"):
        read_onnx(model)


def test_a_type_that_numpy_does_not_have_is_refused() -> None:
    text = '<ir_version: 10, opset_import: ["" : 21]> net (int4[3] x) => (int8[3] y) { y = Cast<to=3>(x) }'
    with pytest.raises(ConfigError, match="'x' is of type int4"):
        read_onnx(onnx.parser.parse_model(text))


def test_damaged_gates_are_refused(residual_onnx: Path) -> None:
    model = onnx.load(residual_onnx)
    model.metadata_props.add(key=GATES_KEY, value='[{"name": "x"}]')
    with pytest.raises(ConfigError, match=r"metadata 'rdpass\.gates' is damaged"):
        read_onnx(model)


def test_an_operator_that_tvm_does_not_know_is_named() -> None:
    text = '<ir_version: 9, opset_import: ["" : 18]> net (float[1, 3, 3] x) => (float[1] y) { y = Det(x) }'
    with pytest.raises(ConfigError, match=r"node 'y' is a Det, which can't be built"):
        import_onnx(read_onnx(onnx.parser.parse_model(text)))


def test_the_long_name_of_onnxs_own_domain_is_the_short_one(residual_onnx: Path) -> None:
    model = onnx.load(residual_onnx)
    for entry in (*model.graph.node, *model.opset_import):
        entry.domain = "ai.onnx"
    before = model.SerializeToString()
    assert {node.domain for node in read_onnx(model).model.graph.node} == {""}
    assert model.SerializeToString() == before


def test_outputs_that_are_dictionaries_are_refused_with_how_to_export_without() -> None:
    model = next(file for file in graphs.files() if file.name == "graph/dictionaries").make().model
    with pytest.raises(ConfigError, match=r"the output 'chances' is made of dictionaries.*\{'zipmap': False\}"):
        read_onnx(model)
