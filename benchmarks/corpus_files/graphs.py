"""Graphs of odd ends: what is input, output, constant and branch at once; and what is to be refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.corpus_files.file import File, Made, numbers_for
from benchmarks.corpus_files.writer import Value, Writer


def _made(w: Writer) -> Made:
    model = w.model()
    return Made(model, numbers_for(model))


def _trunk(w: Writer, name: str = "input") -> Value:
    return w.activation(w.conv(w.image(3, 12, 12, name=name), 8))


def _declare(w: Writer, name: str, *shape: int, kind: int = TensorProto.FLOAT) -> None:
    w.outputs.append(helper.make_tensor_value_info(name, kind, shape))


def _input(w: Writer, name: str, *shape: int, kind: int = TensorProto.FLOAT) -> str:
    w.inputs.append(helper.make_tensor_value_info(name, kind, shape))
    return name


def output_is_input(w: Writer) -> Made:
    x = _trunk(w)
    w.output(w.conv(x, 2))
    _declare(w, "input", 1, 3, 12, 12)
    return _made(w)


def only_copies(w: Writer) -> Made:
    """An image and its copy: no layer at all."""
    w.output(w.image(3, 8, 8))
    return _made(w)


def output_is_weight(w: Writer) -> Made:
    w.output(w.conv(_trunk(w), 2))
    _declare(w, w.constant(np.arange(6).reshape(2, 3)), 2, 3)
    return _made(w)


def output_is_constant(w: Writer) -> Made:
    w.output(w.conv(_trunk(w), 2))
    anchors = numpy_helper.from_array(np.arange(8, dtype=np.float32).reshape(2, 4))
    w.nodes.append(helper.make_node("Constant", [], ["anchors"], value=anchors))
    _declare(w, "anchors", 2, 4)
    return _made(w)


def output_is_size(w: Writer) -> Made:
    """The image's size, computed of its shape."""
    x = _trunk(w)
    w.output(w.conv(x, 2))
    size = w.slice(w.node("Shape", "input"), [2], [4], [0])
    _declare(w, size, 2, kind=TensorProto.INT64)
    return _made(w)


def output_read_again(w: Writer) -> Made:
    x = _trunk(w)
    _declare(w, x.name, 1, *x.shape)
    y = w.add(x, w.conv(x, 8))
    _declare(w, y.name, 1, *y.shape)
    w.output(w.activation(y, "tanh"))
    return _made(w)


def output_before_activation(w: Writer) -> Made:
    """A convolution's result and its activation's, both outputs."""
    x = w.conv(w.image(3, 12, 12), 8)
    y = w.activation(x)
    _declare(w, x.name, 1, *x.shape)
    _declare(w, y.name, 1, *y.shape)
    return _made(w)


def equal_outputs(w: Writer) -> Made:
    x = _trunk(w)
    w.output(x)
    w.output(x)
    return _made(w)


def outputs_transposed(w: Writer) -> Made:
    """The same maps channels first and last."""
    x = _trunk(w)
    w.output(x)
    _declare(w, w.node("Transpose", x.name, perm=[0, 2, 3, 1]), 1, 12, 12, 8)
    return _made(w)


def unused_input(w: Writer) -> Made:
    w.output(w.conv(_trunk(w), 2))
    _input(w, "nobody", 1, 4)
    return _made(w)


def two_images(w: Writer) -> Made:
    """The same weights on both."""
    weights = [w.weight(w.normal(6, 3, 3, 3)), w.weight(w.normal(6))]
    maps = [w.node("Conv", w.image(3, 10, 10, name=name).name, *weights, pads=[1] * 4) for name in ("left", "right")]
    w.output(Value(w.node("Abs", w.node("Sub", *maps)), (6, 10, 10)))
    return _made(w)


def words(w: Writer) -> Made:
    """Numbers of words, taken from a table."""
    _input(w, "words", 1, 7, kind=TensorProto.INT64)
    rows = w.node("Gather", w.weight(w.normal(200, 8)), "words")
    mean = w.reduce("ReduceMean", rows, [1], False)
    w.output(w.dense(Value(mean, (8,)), 3))
    return _made(w)


def masked(w: Writer) -> Made:
    """A map of booleans beside the image."""
    x = _trunk(w)
    _input(w, "mask", 1, 1, 12, 12, kind=TensorProto.BOOL)
    w.output(Value(w.node("Where", "mask", x.name, w.constant(0.0)), x.shape))
    return _made(w)


def rows(w: Writer) -> Made:
    """Dense layers alone, a sum around two of them."""
    _input(w, "numbers", 1, 20)
    x = w.activation(w.dense(Value("numbers", (20,)), 16))
    y = w.dense(w.activation(w.dense(x, 32)), 16)
    w.output(w.dense(w.add(x, y), 3))
    return _made(w)


def four_rows(w: Writer) -> Made:
    """A batch of 4."""
    x = _trunk(w)
    w.output(w.dense(w.average(w.conv(x, 8, stride=2)), 3))
    for value in (*w.inputs, *w.outputs):
        value.type.tensor_type.shape.dim[0].dim_value = 4
    return _made(w)


def volumes(w: Writer) -> Made:
    x = w.activation(w.conv(w.image(2, 6, 8, 8), 4))
    x = w.pool(x, "MaxPool", 3, 2)
    w.output(w.dense(w.average(w.conv(x, 6, 1)), 3))
    return _made(w)


def one_pixel(w: Writer) -> Made:
    x = w.activation(w.conv(w.image(16, 1, 1), 12, 1))
    w.output(w.conv(x, 4))
    return _made(w)


def even_kernels(w: Writer) -> Made:
    x = w.image(3, 11, 13)
    name = w.node("Conv", x.name, w.weight(w.normal(5, 3, 2, 4)), pads=[0, 1, 1, 2], strides=[1, 2])
    name = w.node("Conv", w.node("Relu", name), w.weight(w.normal(4, 5, 4, 2)), pads=[3, 1, 0, 0], dilations=[1, 2])
    _declare(w, name, 1, 4, 11, 6)
    return _made(w)


def kernel_of_the_image(w: Writer) -> Made:
    """A convolution as wide as the map, in place of a dense layer; a pool over all of it."""
    x = _trunk(w)
    w.output(Value(w.node("Conv", x.name, w.weight(w.normal(10, 8, 12, 12))), (10, 1, 1)))
    w.output(Value(w.node("AveragePool", x.name, kernel_shape=[12, 12]), (8, 1, 1)))
    return _made(w)


def weights_from_input(w: Writer) -> Made:
    """A convolution whose weights are computed, as trackers have it."""
    x = _trunk(w)
    _input(w, "kernel", 4, 8, 3, 3)
    _declare(w, w.node("Conv", x.name, "kernel"), 1, 4, 10, 10)
    return _made(w)


def correlation(w: Writer) -> Made:
    """Two maps multiplied over their channels."""
    left, right = (w.conv(w.image(3, 8, 8, name=name), 6) for name in ("left", "right"))
    flat = [w.node("Reshape", value.name, w.integers(1, 6, 64)) for value in (left, right)]
    _declare(w, w.node("MatMul", w.node("Transpose", flat[0], perm=[0, 2, 1]), flat[1]), 1, 64, 64)
    return _made(w)


def long_chain(w: Writer) -> Made:
    x = _trunk(w)
    for index in range(30):
        x = w.activation(w.add(x, x) if index % 3 else w.conv(x, 8, 1), "tanh")
    w.output(x)
    return _made(w)


def a_number(w: Writer) -> Made:
    """The result is one number, without axes."""
    x = _trunk(w)
    name = w.node("ReduceMean", x.name, keepdims=0)
    _declare(w, name)
    return _made(w)


def yolo_head(w: Writer) -> Made:
    """Anchors as an axis of their own, slices scaled by grids and joined."""
    x = w.conv(_trunk(w), 2 * 7, 1)
    name = w.node("Reshape", x.name, w.integers(1, 2, 7, 12, 12))
    name = w.node("Sigmoid", w.node("Transpose", name, perm=[0, 1, 3, 4, 2]))
    centre, extent, rest = (w.slice(name, [a], [b], [4]) for a, b in ((0, 2), (2, 4), (4, 7)))
    grid = w.constant(np.stack(np.meshgrid(np.arange(12), np.arange(12)), -1)[None, None])
    centre = w.node("Mul", w.node("Add", w.node("Mul", centre, w.constant(2.0)), grid), w.constant(8.0))
    anchors = w.constant(np.array([[10, 13], [33, 23]]).reshape(1, 2, 1, 1, 2))
    extent = w.node("Mul", w.node("Pow", w.node("Mul", extent, w.constant(2.0)), w.constant(2.0)), anchors)
    joined = w.node("Concat", centre, extent, rest, axis=4)
    _declare(w, w.node("Reshape", joined, w.integers(1, -1, 7)), 1, 288, 7)
    return _made(w)


def focus(w: Writer) -> Made:
    """Every second pixel, four times, joined: the stem of some detectors."""
    x = w.image(3, 16, 16)
    parts = [w.slice(x.name, [top, left], [2**63 - 1, 2**63 - 1], [2, 3], [2, 2]) for left in (0, 1) for top in (0, 1)]
    w.output(w.conv(Value(w.node("Concat", *parts, axis=1), (12, 8, 8)), 8))
    return _made(w)


def distribution_head(w: Writer) -> Made:
    """Softmax over bins, then their mean by a convolution: the boxes of later detectors."""
    x = w.conv(_trunk(w), 4 * 8, 1)
    name = w.node("Transpose", w.node("Reshape", x.name, w.integers(1, 4, 8, 144)), perm=[0, 2, 1, 3])
    name = w.node("Softmax", name, axis=1)
    name = w.node("Conv", name, w.constant(np.arange(8).reshape(1, 8, 1, 1)))
    _declare(w, w.node("Reshape", name, w.integers(1, 4, 144)), 1, 4, 144)
    return _made(w)


def classes_of_pixels(w: Writer) -> Made:
    """Maps enlarged to the image, the best class as an integer."""
    x = w.resize(w.conv(_trunk(w), 5, 1, stride=2), 2, "linear")
    _declare(w, w.node("ArgMax", x.name, axis=1, keepdims=0), 1, 12, 12, kind=TensorProto.INT64)
    return _made(w)


def as_picture(w: Writer) -> Made:
    """The result as bytes, channels last."""
    x = w.activation(w.conv(_trunk(w), 3), "sigmoid")
    name = w.clip(w.node("Mul", x.name, w.constant(255.0)), 0.0, 255.0)
    name = w.node("Cast", w.node("Floor", w.node("Transpose", name, perm=[0, 2, 3, 1])), to=TensorProto.UINT8)
    _declare(w, name, 1, 12, 12, 3, kind=TensorProto.UINT8)
    return _made(w)


def tracked_state(w: Writer) -> Made:
    """A stream's state goes in and comes out."""
    x = _trunk(w)
    _input(w, "state", 1, 8, 12, 12)
    gate = w.activation(w.conv(w.concat(x, Value("state", x.shape)), 8), "sigmoid")
    kept = w.multiply(gate, Value("state", x.shape))
    w.output(w.add(x, kept))
    w.output(w.conv(x, 2, 1))
    return _made(w)


def if_on_weight(w: Writer) -> Made:
    """An If whose condition is an initialiser."""
    x = _trunk(w)
    w.output(Value(_if(w, w.constant(True, np.bool_), x), x.shape))
    return _made(w)


def sparse_weights(w: Writer) -> Made:
    """A dense layer's weights as a sparse tensor in a Constant."""
    flat = w.average(_trunk(w))
    values = numpy_helper.from_array(np.array([0.5, -1.0, 2.0], np.float32))
    places = numpy_helper.from_array(np.array([1, 9, 20], np.int64))
    sparse = helper.make_sparse_tensor(values, places, [8, 3])
    w.nodes.append(helper.make_node("Constant", [], ["sparse"], sparse_value=sparse))
    w.output(Value(w.node("MatMul", flat.name, "sparse"), (3,)))
    return _made(w)


def sequence(w: Writer) -> Made:
    """A list of tensors between, of known parts."""
    x = _trunk(w)
    parts = w.node("SplitToSequence", x.name, w.constant(4, np.int64), axis=1)
    name = w.node("SequenceAt", parts, w.constant(1, np.int64))
    _declare(w, name, 1, 4, 12, 12)
    return _made(w)


def long_domain(w: Writer) -> Made:
    """ONNX's own domain by its long name."""
    w.output(w.conv(_trunk(w), 4))
    made = _made(w)
    for entry in (*made.model.graph.node, *made.model.opset_import):
        entry.domain = "ai.onnx"
    return made


def class_token(w: Writer) -> Made:
    """A token before all others, repeated as often as there are images, whose number is computed."""
    tokens = w.tokens(_trunk(w))
    images = w.node("Gather", w.node("Shape", tokens), w.constant(0, np.int64), axis=0)
    wanted = w.node("Concat", w.node("Unsqueeze", images, w.integers(0)), w.integers(-1, -1), axis=0)
    ones = w.node("ConstantOfShape", w.node("Shape", wanted), value=numpy_helper.from_array(np.array([1], np.int64)))
    shape = w.node("Where", w.node("Equal", wanted, w.integers(-1)), ones, wanted)
    token = w.node("Expand", w.weight(w.normal(1, 1, 8)), shape)
    name = w.layer_norm(w.node("Concat", token, tokens, axis=1), 8)
    _declare(w, w.node("Gather", name, w.constant(0, np.int64), axis=1), 1, 8)
    return _made(w)


def causal_attention(w: Writer) -> Made:
    """Products of all tokens with those before them, by a triangle of large numbers."""
    tokens = w.tokens(_trunk(w))
    scores = w.node("MatMul", tokens, w.node("Transpose", tokens, perm=[0, 2, 1]))
    later = w.node("Trilu", w.constant(np.full((144, 144), -1e4)), w.constant(1, np.int64), upper=1)
    name = w.node("MatMul", w.node("Softmax", w.node("Add", scores, later), axis=-1), tokens)
    _declare(w, name, 1, 144, 8)
    return _made(w)


def anchors_counted(w: Writer) -> Made:
    """Centres of pixels as a detector counts them out, added to what it found."""
    x = w.conv(_trunk(w), 2, 1)
    row = w.node("Range", w.constant(0.0), w.constant(12.0), w.constant(1.0))
    columns = w.node("Expand", w.node("Unsqueeze", row, w.integers(0)), w.integers(12, 12))
    both = [w.node("Unsqueeze", each, w.integers(2)) for each in (columns, w.node("Transpose", columns, perm=[1, 0]))]
    anchors = w.node("Reshape", w.node("Concat", *both, axis=2), w.integers(1, -1, 2))
    found = w.node("Transpose", w.node("Reshape", x.name, w.integers(1, 2, -1)), perm=[0, 2, 1])
    _declare(w, w.node("Add", anchors, found), 1, 144, 2)
    return _made(w)


def channels_reversed(w: Writer) -> Made:
    """Bytes, channels last, blue first."""
    _input(w, "image", 1, 12, 12, 3, kind=TensorProto.UINT8)
    name = w.slice(w.node("Cast", "image", to=TensorProto.FLOAT), [-1], [-100], [3], [-1])
    name = w.node("Div", w.node("Sub", name, w.constant([100, 110, 120])), w.constant([58, 57, 57]))
    w.output(w.conv(Value(w.node("Transpose", name, perm=[0, 3, 1, 2]), (3, 12, 12)), 4))
    return _made(w)


def statistics_pooled(w: Writer) -> Made:
    """Mean and deviation over all places, as networks of speakers have them."""
    flat = w.node("Reshape", _trunk(w).name, w.integers(1, 8, -1))
    mean = w.reduce("ReduceMean", flat, [2], True)
    apart = w.node("Sub", flat, mean)
    variance = w.reduce("ReduceMean", w.node("Mul", apart, apart), [2], True)
    deviation = w.node("Sqrt", w.node("Add", variance, w.constant(1e-5)))
    w.output(w.dense(Value(w.node("Flatten", w.node("Concat", mean, deviation, axis=1)), (16,)), 4))
    return _made(w)


# --- to be refused ---------------------------------------------------------------------------------------------------


def if_on_input(w: Writer) -> Made:
    x = _trunk(w)
    mean = w.node("ReduceMean", x.name, keepdims=0)
    w.output(Value(_if(w, w.node("Greater", mean, w.constant(0.0)), x), x.shape))
    return _made(w)


def _if(w: Writer, condition: str, x: Value) -> str:
    branches = {}
    for branch, operator in (("then_branch", "Tanh"), ("else_branch", "Neg")):
        value = helper.make_tensor_value_info(f"{branch}_y", TensorProto.FLOAT, None)
        node = helper.make_node(operator, [x.name], [value.name])
        branches[branch] = helper.make_graph([node], branch, [], [value])
    return str(w.node("If", condition, **branches))


def loop(w: Writer) -> Made:
    x = _trunk(w)
    inputs = [helper.make_tensor_value_info("i", TensorProto.INT64, []),
              helper.make_tensor_value_info("go", TensorProto.BOOL, []),
              helper.make_tensor_value_info("kept", TensorProto.FLOAT, None)]  # fmt: skip
    nodes = [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Tanh", ["kept"], ["next"])]
    outputs = [helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
               helper.make_tensor_value_info("next", TensorProto.FLOAT, None)]  # fmt: skip
    body = helper.make_graph(nodes, "body", inputs, outputs)
    w.output(Value(w.node("Loop", w.constant(3, np.int64), w.constant(True, np.bool_), x.name, body=body), x.shape))
    return _made(w)


def scan(w: Writer) -> Made:
    x = _trunk(w)
    inputs = [helper.make_tensor_value_info("kept", TensorProto.FLOAT, None),
              helper.make_tensor_value_info("row", TensorProto.FLOAT, None)]  # fmt: skip
    nodes = [helper.make_node("Add", ["kept", "row"], ["sum"]), helper.make_node("Identity", ["sum"], ["out"])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("sum", "out")]
    body = helper.make_graph(nodes, "body", inputs, outputs)
    start = w.constant(np.zeros((1, 8, 12)))
    _, name = w.node(
        "Scan", start, x.name, count=2, body=body, num_scan_inputs=1, scan_input_axes=[2], scan_output_axes=[2]
    )
    _declare(w, name, 1, 8, 12, 12)
    return _made(w)


def foreign(w: Writer) -> Made:
    """A layer of a domain that nobody knows."""
    x = _trunk(w)
    w.output(Value(w.node("DeformableConv", x.name, domain="mmdeploy"), x.shape))
    model = w.model()
    model.opset_import.append(helper.make_opsetid("mmdeploy", 1))
    return Made(model, numbers_for(model))


def boxes_left(w: Writer) -> Made:
    """Boxes that overlap are dropped: how many are left depends on the numbers."""
    boxes = w.node("Reshape", w.activation(w.conv(_trunk(w), 4, 1), "sigmoid").name, w.integers(1, -1, 4))
    scores = w.node("Reshape", w.conv(Value("input", (3, 12, 12)), 1, 1).name, w.integers(1, 1, -1))
    name = w.node("NonMaxSuppression", boxes, scores, w.constant([5], np.int64), w.constant([0.5]), w.constant([0.0]))
    w.outputs.append(helper.make_tensor_value_info(name, TensorProto.INT64, ["boxes", 3]))
    return _made(w)


def places_found(w: Writer) -> Made:
    name = w.node("NonZero", _trunk(w).name)
    w.outputs.append(helper.make_tensor_value_info(name, TensorProto.INT64, [4, "found"]))
    return _made(w)


def scaled_by_ml(w: Writer) -> Made:
    """A step of ONNX's other domain, of classical machine learning."""
    _input(w, "numbers", 1, 3)
    name = w.node("Scaler", "numbers", domain="ai.onnx.ml", offset=[0.0, 1.0, 2.0], scale=[1.0, 2.0, 3.0])
    w.output(w.dense(Value(name, (3,)), 2))
    model = w.model()
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    return Made(model, numbers_for(model))


def dictionaries(w: Writer) -> Made:
    """Chances by class in a dictionary, as exporters of scikit-learn write them."""
    chances = w.activation(w.dense(w.average(_trunk(w)), 3), "softmax")
    node = helper.make_node("ZipMap", [chances.name], ["chances"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2])
    w.nodes.append(node)
    number = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    kind = helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.INT64, number))
    w.outputs.append(onnx.ValueInfoProto(name="chances", type=kind))
    model = w.model()
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    return Made(model, numbers_for(model))


def training(w: Writer) -> Made:
    """A dropout that was exported in training mode."""
    x = _trunk(w)
    name = w.node("Dropout", x.name, w.constant(0.5), w.constant(True, np.bool_))
    w.output(Value(name, x.shape))
    return _made(w)


def sizes_open(w: Writer) -> Made:
    """Sizes left open, and nobody says them: compile asks, and inspect takes a usual one."""
    w.output(w.conv(_trunk(w), 2, stride=4))
    for value in (*w.inputs, *w.outputs):
        for dim in value.type.tensor_type.shape.dim[2:]:
            dim.dim_param = "side"
    return _made(w)


TAKEN: Sequence[Callable[[Writer], Made]] = (
    output_is_input, only_copies, output_is_weight, output_is_constant, output_is_size, output_read_again,
    output_before_activation, equal_outputs, outputs_transposed, unused_input, two_images, words, masked, rows,
    four_rows, volumes, one_pixel, even_kernels, kernel_of_the_image, weights_from_input, correlation, long_chain,
    a_number, yolo_head, focus, distribution_head, classes_of_pixels, as_picture, tracked_state, if_on_weight,
    sparse_weights, sequence, long_domain, class_token, causal_attention, anchors_counted, channels_reversed,
    statistics_pooled,
)  # fmt: skip
REFUSED: Sequence[Callable[[Writer], Made]] = (
    if_on_input, loop, scan, foreign, boxes_left, places_found, scaled_by_ml, dictionaries, training, sizes_open,
)  # fmt: skip


def files() -> Iterator[File]:
    for makers, refused in ((TAKEN, False), (REFUSED, True)):
        for make in makers:
            yield File(f"graph/{make.__name__}", "to be refused" if refused else "odd ends", _by_hand(make), refused)


def _by_hand(make: Callable[[Writer], Made]) -> Callable[[], Made]:
    return lambda: make(Writer())
