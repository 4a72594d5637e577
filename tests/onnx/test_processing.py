import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rdpass.core.errors import ConfigError
from rdpass.core.processing import Processing
from rdpass.onnx.golden import find_golden, golden_path, read_golden
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.processing import processed, renamed, save_processed
from rdpass.onnx.source import read_onnx

COLOURS = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def network(shape=(1, 3, 6, 5), classes=4, dtype=TensorProto.FLOAT):
    """A convolution, ReLU, global pooling: scores of classes for an image."""
    weight = np.random.default_rng(0).standard_normal((classes, shape[1], 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (shape[0], classes))],
        [numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def with_processing(processing, **of_network):
    source = read_onnx(network(**of_network))
    before = source.reference.SerializeToString()
    new, golden = processed(source, processing, find_golden(source))
    assert source.reference.SerializeToString() == before
    return source, new, golden


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("bgr", [False, True])
def test_a_network_on_bytes_gives_what_it_gave_on_the_image_that_numpy_prepared(layout, bgr):
    processing = Processing(layout, **COLOURS, bgr=bgr, postprocess="softmax", labels=("a", "b", "c", "d"))
    source, new, golden = with_processing(processing)
    spec = new.inputs[0]
    assert (spec.name, spec.dtype) == ("x", "uint8")
    assert spec.shape == ((1, 6, 5, 3) if layout == "nhwc" else (1, 3, 6, 5))
    image = np.random.default_rng(3).integers(0, 256, spec.shape, np.uint8)
    scores = run_onnx(source.reference, [processing.prepared(image)])[0]
    wanted = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(run_onnx(new.reference, [image])[0], wanted, rtol=1e-5)
    assert [gate.name for gate in new.gates] == ["processing"]
    assert new.digest == source.digest
    np.testing.assert_allclose(run_onnx(new.reference, golden.inputs)[0], golden.outputs[0], rtol=1e-5)


def test_the_likeliest_class_is_an_index_for_each_image():
    _, new, golden = with_processing(Processing("nhwc", postprocess="argmax"), shape=(2, 1, 6, 5))
    assert [(spec.name, spec.shape, spec.dtype) for spec in new.outputs] == [("y", (2,), "int64")]
    assert golden.outputs[0].dtype == np.int64
    np.testing.assert_array_equal(run_onnx(new.reference, golden.inputs)[0], golden.outputs[0])


def test_names_alone_change_no_number():
    source, new, golden = with_processing(Processing(input_names=("image",), output_names=("scores",)))
    assert ([spec.name for spec in new.inputs], [spec.name for spec in new.outputs]) == (["image"], ["scores"])
    assert golden.inputs[0].dtype == np.float32
    given = (run_onnx(each.reference, golden.inputs)[0] for each in (source, new))
    np.testing.assert_array_equal(*given)
    with pytest.raises(ConfigError, match="the name 'c' is taken in the network"):
        renamed(network(), ["c"], [])
    with pytest.raises(ConfigError, match="2 names of outputs, and the network has 1: y"):
        renamed(network(), [], ["a", "b"])


def test_an_exported_file_says_what_is_inside_and_has_golden_numbers_of_its_own(tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(network(), path)
    processing = Processing("nhwc", **COLOURS, labels=("a", "b", "c", "d"))
    save_processed(path, processing)
    source = read_onnx(path)
    assert source.processing == processing
    assert [gate.name for gate in source.gates] == ["processing"]
    golden = read_golden(source, golden_path(path))
    assert golden.inputs[0].dtype == np.uint8
    with pytest.raises(ConfigError, match="the input 'x' is uint8"):
        save_processed(path, processing)
    named, _ = processed(source, Processing(input_names=("image",)), golden)
    assert (named.processing.layout, named.processing.labels) == ("nhwc", ("a", "b", "c", "d"))
    assert named.inputs[0].name == "image"


@pytest.mark.parametrize(
    ("processing", "of_network", "said"),
    [
        (Processing("nhwc"), {"shape": (1, 5, 6, 5)}, r"an image \(N, 1 or 3, H, W\) in float32, and the input 'x'"),
        (Processing("nhwc", bgr=True), {"shape": (1, 1, 6, 5)}, "bgr is for images of three channels"),
        (Processing("nhwc", **COLOURS), {"shape": (1, 1, 6, 5)}, "3 means or deviations, and the image has 1"),
        (Processing(labels=("a", "b")), {}, "2 labels, and the output 'y' is 1x4"),
    ],
)
def test_what_does_not_go_with_the_network_is_refused(processing, of_network, said):
    with pytest.raises(ConfigError, match=said):
        with_processing(processing, **of_network)


def test_scores_at_many_places_have_no_postprocess():
    model = network()
    del model.graph.node[2:]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("r", TensorProto.FLOAT, (1, 4, 6, 5)))
    source = read_onnx(model)
    with pytest.raises(ConfigError, match=r"--postprocess softmax is for scores \(N, classes\), and the output 'r'"):
        processed(source, Processing(postprocess="softmax"), find_golden(source))


def test_a_damaged_record_is_refused():
    model = network()
    model.metadata_props.add(key="rdpass.processing", value='{"layout": 3}')
    with pytest.raises(ConfigError, match=r"'rdpass.processing' is damaged"):
        read_onnx(model)
