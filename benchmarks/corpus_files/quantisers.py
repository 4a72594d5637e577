"""Habits of quantisers: the same networks in integers, as each tool writes QuantizeLinear and DequantizeLinear.

Ranges are those of the file's own inputs. What differs from tool to tool: types and symmetry, where the pairs stand,
weights stored as integers or as floats with a pair behind, biases as floats or as 32-bit integers, fewer bits by a Clip
between the pair, scales as numbers or as vectors of one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.quantization import quant_pre_process

from benchmarks.corpus_files.file import QUANTISED_TOLERANCE, File, Made, numbers_for
from benchmarks.corpus_files.networks import NETWORKS
from benchmarks.corpus_files.writer import Writer
from rdpass.core.comparison import Array
from rdpass.onnx.quantised_values import quantise

_LAYERS = ("Conv", "Gemm", "MatMul")
_JOINS = ("Add", "Mul", "Concat")
_PASSING = ("MaxPool", "GlobalAveragePool", "AveragePool", "Resize", "ReduceMean", "Relu", "Clip", "HardSwish")
_CLIPPING = ("Relu", "Clip")


@dataclass(frozen=True)
class Quantiser:
    """``activations``, ``weights``: types. ``narrow``: weights of -127 to 127. ``bits``: of both, with ``clipped`` by a
    Clip between the pair. ``stored``: weights as 'integers', as 'floats' with a pair behind, or 'turned': dequantised,
    then transposed. ``biases``: 'floats' or 'integers'. ``everywhere``: pairs behind every operator, not before layers
    and joins alone. ``one_branch``: of a sum one operand alone. ``own_pairs``: one for each reader. ``vectors``: scales
    of shape (1,). ``without_zero``: zero points of unsigned zero are left out. ``ends``: integers go in and out.
    """

    activations: Any = np.int8
    weights: Any = np.int8
    symmetric: bool = False
    by_channel: bool = True
    narrow: bool = True
    bits: int = 8
    clipped: bool = False
    stored: str = "integers"
    biases: str = "floats"
    everywhere: bool = True
    one_branch: bool = False
    own_pairs: bool = False
    vectors: bool = False
    without_zero: bool = False
    ends: bool = False
    domain: str = ""
    opset: int = 17


TOOLS = {
    # pt2e, exported: integers for weights, floats for biases, pairs round everything
    "QDQ, torch pt2e": Quantiser(),
    # a TFLite file in integers, converted: channels turned behind the weights, 32-bit biases, integers at the ends
    "QDQ, tf2onnx": Quantiser(stored="turned", biases="integers", ends=True, opset=13),
    "QDQ, tf2onnx, uint8": Quantiser(np.uint8, np.uint8, by_channel=False, narrow=False, biases="integers", ends=True),
    # Brevitas: a Clip between the pair, weights stored as floats
    "QDQ, Brevitas": Quantiser(symmetric=True, clipped=True, stored="floats", biases="integers", opset=13),
    "QDQ, Brevitas, 4 bits": Quantiser(
        symmetric=True, bits=4, clipped=True, stored="floats", everywhere=False, opset=13
    ),
    # NNCF: floats as weights, a pair for each reader, unsigned activations
    "QDQ, NNCF": Quantiser(np.uint8, stored="floats", everywhere=False, own_pairs=True, opset=14),
    # AIMET: by layer, symmetric, scales as vectors of one; 16 bits where it is told to
    "QDQ, AIMET": Quantiser(np.uint8, narrow=False, by_channel=False, vectors=True, biases="integers", opset=13),
    "QDQ, AIMET, 16 bits": Quantiser(np.uint16, by_channel=True, opset=21),
    # ModelOpt: symmetric, weights as floats, one branch of a sum alone
    "QDQ, ModelOpt": Quantiser(symmetric=True, stored="floats", everywhere=False, one_branch=True, opset=13),
    "QDQ, zero points left out": Quantiser(np.uint8, symmetric=True, without_zero=True, everywhere=True, opset=13),
    "QDQ, domain of ONNX Runtime": Quantiser(np.uint8, domain="com.microsoft", opset=13),
}
_BYTE = 8
_SPREAD_OF_FEW_BITS = 0.4
"""Of what 4 bits leave of a network of floats; and a number next to a half moves a seventh of a map's range."""
_NETWORKS = ("residual", "mobile", "bottleneck", "detector")


def files() -> Iterator[File]:
    for name, tool in TOOLS.items():
        for network in _NETWORKS:
            yield File(f"{name}/{network}", name, partial(_written, tool, network))


def _written(tool: Quantiser, network: str) -> Made:
    writer, found = Writer(opset=max(tool.opset, 13)), NETWORKS[network]
    found.write(writer)
    model = _without_norms(writer.model())
    feed = numbers_for(model)
    graph = _Graph(model, tool)
    quantised = graph.written()
    return Made(
        quantised, {name: graph.integers(name, array) for name, array in feed.items()}, tolerance=QUANTISED_TOLERANCE,
        shortcuts=found.shortcuts, meanings=graph.meanings,
        spread=None if tool.bits == _BYTE else _SPREAD_OF_FEW_BITS,
    )  # fmt: skip


def _without_norms(model: onnx.ModelProto) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in.onnx"), Path(folder, "out.onnx")
        onnx.save(model, source)
        quant_pre_process(str(source), str(out), skip_symbolic_shape=True)
        return onnx.load(out)


class _Graph:
    """A model in the making: nodes in their order, and weights by name."""

    def __init__(self, model: onnx.ModelProto, tool: Quantiser) -> None:
        self.tool, self.model = tool, model
        self.weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.made: list[onnx.NodeProto] = []
        self.ranges = _ranges(model)
        self.pairs: dict[str, tuple[str, float]] = {}
        self.meanings: dict[str, tuple[Array, Array]] = {}

    def written(self) -> onnx.ModelProto:
        graph = self.model.graph
        nodes = list(graph.node)
        renamed = self._start() if self.tool.ends else {}
        for node in nodes:
            node.input[:] = [renamed.get(name, name) for name in node.input]
            self._read(node, nodes)
            self.made.append(node)
            if self._is_paired_behind(node, nodes):
                self._pair_behind(node)
        if self.tool.ends:
            self._end()
        del graph.node[:], graph.initializer[:]
        graph.node.extend(self.made)
        used = {name for node in self.made for name in node.input}
        graph.initializer.extend(
            numpy_helper.from_array(array, name) for name, array in self.weights.items() if name in used
        )
        del graph.value_info[:]
        if self.tool.domain:
            self.model.opset_import.append(helper.make_opsetid(self.tool.domain, 1))
        while self.model.opset_import and any(o.domain == "ai.onnx.ml" for o in self.model.opset_import):
            self.model.opset_import.remove(next(o for o in self.model.opset_import if o.domain == "ai.onnx.ml"))
        self.model.ir_version = 10 if self.tool.opset > 18 else 8
        return self.model

    def integers(self, name: str, numbers: Array) -> Array:
        """Numbers of an input as it takes them."""
        if name not in self.meanings:
            return numbers
        scale, zero = self.meanings[name]
        return quantise(numbers, scale, zero, 0)

    # --- pairs -------------------------------------------------------------------------------------------------------

    def _read(self, node: onnx.NodeProto, nodes: Sequence[onnx.NodeProto]) -> None:
        """The inputs of a node as the tool has them."""
        if node.op_type in _LAYERS and node.input[1] in self.weights:
            scale = self._activation(node)
            node.input[1] = self._weight(node, node.input[1], scale)
        elif not self.tool.everywhere and node.op_type in _JOINS:
            for place in range(len(node.input)):
                if node.input[place] in self.ranges and not (self.tool.one_branch and place):
                    node.input[place] = self._pair(node.input[place])[0]

    def _activation(self, node: onnx.NodeProto) -> float:
        if not self.tool.everywhere or node.input[0] in {value.name for value in self.model.graph.input}:
            node.input[0], scale = self._pair(node.input[0])
            return scale
        return next((scale for name, scale in self.pairs.values() if name == node.input[0]), 0.0)

    def _is_paired_behind(self, node: onnx.NodeProto, nodes: Sequence[onnx.NodeProto]) -> bool:
        if not self.tool.everywhere or node.op_type not in (*_LAYERS, *_JOINS, *_PASSING):
            return False
        readers = [other for other in nodes if node.output[0] in other.input]
        return bool(readers) and not all(other.op_type in _CLIPPING for other in readers)

    def _pair_behind(self, node: onnx.NodeProto) -> None:
        given = node.output[0]
        inner = f"{given}/float"
        node.output[0] = inner
        self.ranges[inner] = self.ranges[given]
        _, scale = self._pair(inner)
        self.made[-1].output[0] = given
        self.pairs[inner] = given, scale

    def _pair(self, name: str) -> tuple[str, float]:
        if name in self.pairs and not self.tool.own_pairs:
            return self.pairs[name]
        scale, zero = self._numbers(*self.ranges[name])
        label = f"{name}/{len(self.made)}"
        inner = self._node("QuantizeLinear", [name, *self._parameters(label, scale, zero)], f"{label}/q")
        inner = self._clipped(inner, label, zero.dtype)
        out = self._node("DequantizeLinear", [inner, *self._parameters(label, scale, zero)], f"{label}/dq")
        self.pairs[name] = out, float(scale)
        return self.pairs[name]

    def _clipped(self, name: str, label: str, dtype: Any) -> str:
        if not self.tool.clipped:
            return name
        most = 2 ** (self.tool.bits - 1) - 1
        bounds = [self._held(f"{label}/{bound}", np.array(bound, dtype)) for bound in (-most, most)]
        return self._node("Clip", [name, *bounds], f"{label}/clip")

    def _parameters(self, label: str, scale: Any, zero: Any) -> list[str]:
        form = (1,) if self.tool.vectors else ()
        names = [self._held(f"{label}/scale", np.full(form, scale, np.float32))]
        if not (self.tool.without_zero and zero == 0):
            names.append(self._held(f"{label}/zero", np.full(form, zero, zero.dtype)))
        return names

    def _numbers(self, low: float, high: float) -> tuple[Any, Any]:
        dtype = np.dtype(self.tool.activations)
        info = np.iinfo(dtype)
        low, high = min(low, 0.0), max(high, 0.0)
        if self.tool.symmetric:
            most = 2 ** (self.tool.bits - 1) - 1 if dtype.kind == "i" else info.max
            unsigned_half = dtype.kind == "u" and low < 0
            largest = max(-low, high)
            zero = np.array(128 if unsigned_half else 0, dtype)
            return np.float32(largest / (127 if unsigned_half else most) or 1.0), zero
        scale = np.float32((high - low) / (int(info.max) - int(info.min)) or 1.0)
        return scale, np.array(np.clip(round(info.min - low / scale), info.min, info.max), dtype)

    # --- weights -----------------------------------------------------------------------------------------------------

    def _weight(self, node: onnx.NodeProto, name: str, scale_in: float) -> str:
        array = self.weights[name].astype(np.float32)
        axis = 0 if node.op_type == "Conv" or _is_turned(node) else array.ndim - 1
        dtype = np.dtype(self.tool.weights)
        most = 2 ** (self.tool.bits - 1) - 1
        others = tuple(a for a in range(array.ndim) if a != axis)
        largest = np.abs(array).max(others) if self.tool.by_channel else np.abs(array).max()
        scale = np.maximum(largest / most, 1e-6).astype(np.float32)
        if self.tool.vectors and scale.ndim == 0:
            scale = scale.reshape(1)
        zero = np.full(scale.shape, 128 if dtype.kind == "u" else 0, dtype)
        by_axis = scale.reshape([-1 if a == axis else 1 for a in range(array.ndim)]) if scale.size > 1 else scale
        integers = np.clip(
            np.round(array / by_axis) + int(zero.reshape(-1)[0]), *_bounds(dtype, most, self.tool.narrow)
        )
        axes = {"axis": axis} if scale.size > 1 else {}
        label = f"{name}/{node.name}"
        parameters = [self._held(f"{label}/scale", scale), self._held(f"{label}/zero", zero)]
        out = self._stored(label, array, integers.astype(dtype), parameters, axes)
        self._bias(node, label, scale_in * scale)
        return out

    def _stored(self, label: str, array: Array, integers: Array, parameters: list[str], axes: dict[str, int]) -> str:
        if self.tool.stored == "floats":
            held = self._held(f"{label}/float", array)
            inner = self._node("QuantizeLinear", [held, *parameters], f"{label}/q", **axes)
            inner = self._clipped(inner, label, integers.dtype)
            return self._node("DequantizeLinear", [inner, *parameters], f"{label}/dq", **axes)
        if self.tool.stored == "turned" and array.ndim == 4:
            held = self._held(f"{label}/int", np.ascontiguousarray(integers.transpose(0, 2, 3, 1)))
            inner = self._node("DequantizeLinear", [held, *parameters], f"{label}/dq", **axes)
            return self._node("Transpose", [inner], f"{label}/nchw", perm=[0, 3, 1, 2])
        held = self._held(f"{label}/int", integers)
        return self._node("DequantizeLinear", [held, *parameters], f"{label}/dq", **axes)

    def _bias(self, node: onnx.NodeProto, label: str, scale: Any) -> None:
        if self.tool.biases == "floats" or len(node.input) < 3 or not np.all(scale):
            return
        array = self.weights[node.input[2]]
        scale = np.asarray(scale, np.float32)
        held = self._held(f"{label}/bias", np.round(array / scale).astype(np.int32))
        parameters = [
            self._held(f"{label}/bias_scale", scale), self._held(f"{label}/bias_zero", np.zeros(scale.shape, np.int32)),
        ]  # fmt: skip
        axes = {"axis": 0} if scale.size > 1 else {}
        node.input[2] = self._node("DequantizeLinear", [held, *parameters], f"{label}/bias_dq", **axes)

    # --- ends --------------------------------------------------------------------------------------------------------

    def _start(self) -> dict[str, str]:
        renamed = {}
        for value in self.model.graph.input:
            scale, zero = self._numbers(*self.ranges[value.name])
            self.meanings[value.name] = np.asarray(scale), zero
            value.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(zero.dtype)
            out = self._node(
                "DequantizeLinear", [value.name, *self._parameters(value.name, scale, zero)], f"{value.name}/dq"
            )
            self.pairs[out] = out, float(scale)
            self.ranges[out] = self.ranges[value.name]
            renamed[value.name] = out
        return renamed

    def _end(self) -> None:
        for value in self.model.graph.output:
            maker = next(node for node in self.made if value.name in node.output)
            inner = f"{value.name}/float"
            maker.output[:] = [inner if name == value.name else name for name in maker.output]
            for node in self.made:
                node.input[:] = [inner if name == value.name else name for name in node.input]
            scale, zero = self._numbers(*self.ranges[value.name])
            self.meanings[value.name] = np.asarray(scale), zero
            value.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(zero.dtype)
            self._node("QuantizeLinear", [inner, *self._parameters(value.name, scale, zero)], value.name)

    def _node(self, operator: str, inputs: list[str], out: str, **attributes: Any) -> str:
        domain = self.tool.domain if "Linear" in operator else ""
        self.made.append(helper.make_node(operator, inputs, [out], name=out, domain=domain, **attributes))
        return out

    def _held(self, name: str, array: Array) -> str:
        self.weights[name] = np.asarray(array)
        return name


def _is_turned(node: onnx.NodeProto) -> bool:
    return node.op_type == "Gemm" and any(a.name == "transB" and a.i for a in node.attribute)


def _bounds(dtype: Any, most: int, narrow: bool) -> tuple[int, int]:
    if np.dtype(dtype).kind == "u":
        return 0, 255
    return -most if narrow else -most - 1, most


def _ranges(model: onnx.ModelProto) -> dict[str, tuple[float, float]]:
    """The least and the largest number of every value, on the inputs that the file is fed."""
    copied = onnx.ModelProto.FromString(model.SerializeToString())
    known = {value.name for value in copied.graph.output}
    names = [name for node in copied.graph.node for name in node.output if name not in known]
    copied.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(copied.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = numbers_for(model)
    found = dict(zip([value.name for value in session.get_outputs()], session.run(None, feed), strict=True))
    return {name: (float(a.min()), float(a.max())) for name, a in {**feed, **found}.items() if a.dtype == np.float32}
