"""Put our kernels where they fit, and keep the layout they read and write from one to the next.

The function is written anew, binding by binding:
1. A layer becomes a call of its kernel, two pointwise layers in a row one call of a pair's. Weights are packed here.
2. Elementwise operators of blocked maps, and concatenations of whole blocks, stay what they are, on blocks.
3. Everything else reads and writes maps as the network has them, and is TVM's to lower. Between the two layouts a map
   is changed once, where it has to be.

A kernel writes over the map that it adds where nobody reads that one afterwards.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import tvm
from tvm import relax

from rdpass.kernels.choose import choose_convolution, choose_pair
from rdpass.kernels.machine import Machine
from rdpass.kernels.schedule import Kernel, convolution_kernel, pair_kernel
from rdpass.kernels.workload import PointwisePair
from rdpass.passes.relax.blocked_layout import block_channels, block_constant, blocked_shape, unblock_channels
from rdpass.passes.relax.dataflow import (
    Dataflow,
    array_of,
    operator_of,
    read_dataflow,
    replaced,
    shape_of,
    variables_of,
)
from rdpass.passes.relax.find_layers import Layer, find_layers

SCHEDULED = "tirx.is_scheduled"
# TVM's number for "never fuse this with its neighbours": a kernel is complete as it is.
_OPAQUE = 8
_ELEMENTWISE = {
    f"relax.{name}"
    for name in (
        "add", "subtract", "multiply", "maximum", "minimum", "clip", "sigmoid", "tanh", "exp", "negative", "abs",
        "nn.relu", "nn.silu", "nn.gelu", "nn.leakyrelu",
    )
}  # fmt: skip


@tvm.transform.module_pass(opt_level=0, name="PlaceKernels")
class PlaceKernels:
    """Preserves values up to the kernels' rounding."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def transform_module(self, module: tvm.IRModule, context: Any) -> tvm.IRModule:
        builder = relax.BlockBuilder()
        callees = {
            variable: builder.add_func(function, variable.name_hint)
            for variable, function in module.functions_items()
            if not isinstance(function, relax.Function)
        }
        for variable, function in module.functions_items():
            if isinstance(function, relax.Function):
                _Writer(builder, callees, function, self.machine).write(variable.name_hint)
        return builder.finalize()


class _Writer:
    """Writes one function anew. ``planar`` and ``blocked`` hold what its variables have become, in either layout."""

    def __init__(self, builder: relax.BlockBuilder, callees: dict[Any, Any], function: Any, machine: Machine) -> None:
        self.builder = builder
        self.callees = callees
        self.function = function
        self.machine = machine
        self.lanes = machine.isa.lanes
        self.flow = read_dataflow(function)
        self.layers = {layer.root: layer for layer in find_layers(self.flow)}
        self.firsts = _pairs(self.flow, self.layers)
        self.skipped = {variable for layer in self.layers.values() for variable in layer.inside}
        self.skipped |= {first.root for first in self.firsts.values()}
        self.planar: dict[Any, Any] = {parameter: parameter for parameter in function.params}
        self.blocked: dict[Any, Any] = {}
        self.kernels: dict[str, Any] = {}

    def write(self, name: str) -> None:
        builder = self.builder
        with builder.function(name, list(self.function.params), attrs=dict(self.function.attrs or {})):
            with builder.dataflow():
                for variable, value in self.flow.bindings:
                    if variable not in self.skipped:
                        self._write(variable, value)
                result = builder.emit_output(replaced(self.flow.result, self._planar))
            builder.emit_func_output(result)

    def _write(self, variable: Any, value: Any) -> None:
        if variable in self.layers:
            self.blocked[variable] = self._layer(self.layers[variable])
        elif self._runs_blocked(variable, value):
            self.blocked[variable] = self.builder.emit(self._on_blocks(value))
        else:
            self.planar[variable] = self.builder.emit(replaced(value, self._planar))

    # 1. Kernels

    def _layer(self, layer: Layer) -> Any:
        first = self.firsts.get(layer.root)
        source = self._blocked((first or layer).source)
        other = None if layer.other is None else self._blocked(layer.other)
        in_place = other is not None and self._dies(layer)
        epilogue = replace(layer.convolution.epilogue, in_place=in_place)
        conv = replace(layer.convolution, epilogue=epilogue)
        if first is None:
            tile = choose_convolution(conv, self.machine)
            kernel = convolution_kernel(conv, layer.weights, layer.rows, tile, self.machine)
        else:
            pair = PointwisePair(first.convolution, conv)
            weights, rows = (first.weights, layer.weights), (first.rows, layer.rows)
            kernel = pair_kernel(pair, weights, rows, choose_pair(pair, self.machine), self.machine)
        return self._call(kernel, source, other, in_place, shape_of(layer.root))

    def _dies(self, layer: Layer) -> bool:
        """Whether the map that a layer adds is read by nobody later, nor by its own convolution."""
        other = layer.other
        if other in self.function.params or other in self.flow.results or layer.source.same_as(other):
            return False
        end = self.flow.position[layer.root]
        return all(self._read_at(reader) <= end for reader in self.flow.readers[other])

    def _read_at(self, reader: Any) -> int:
        """Where a binding's reading happens: at the root of the layer it belongs to."""
        for root, layer in self.layers.items():
            if reader is root or any(reader.same_as(variable) for variable in layer.inside):
                second = next((at for at, first in self.firsts.items() if first is layer), root)
                return self.flow.position[second]
        return self.flow.position[reader]

    def _call(self, kernel: Kernel, source: Any, other: Any | None, in_place: bool, shape: Any) -> Any:
        if kernel.name not in self.kernels:
            function = kernel.function.with_attr(SCHEDULED, True).with_attr("op_pattern", _OPAQUE)
            self.kernels[kernel.name] = self.builder.add_func(function.without_attr("global_symbol"), kernel.name)
        written = relax.TensorType(blocked_shape(shape, self.lanes), "float32")
        arguments = [source, *(relax.const(constant) for constant in kernel.constants)]
        if other is not None:
            arguments.append(other)
        callee = self.kernels[kernel.name]
        if in_place:
            return self.builder.emit(relax.call_tir_inplace(callee, arguments, [len(arguments) - 1], written))
        return self.builder.emit(relax.call_tir(callee, arguments, out_ty=written))

    # 2. Operators on blocks

    def _runs_blocked(self, variable: Any, value: Any) -> bool:
        """Whether an operator reads at least one map in blocks already, and nothing that has no blocks."""
        shape = shape_of(variable)
        name = operator_of(value)
        if shape is None or len(shape) != 4:
            return False
        if name == "relax.concat":
            parts = variables_of(value)
            whole = all((shape_of(part) or (0, 1))[1] % self.lanes == 0 for part in parts)
            return whole and int(value.attrs.axis) in (1, -3) and all(part in self.blocked for part in parts)
        if name not in _ELEMENTWISE:
            return False
        fits = all(self._fits(argument, shape) for argument in value.args)
        return fits and any(read in self.blocked for read in variables_of(value))

    def _fits(self, argument: Any, shape: tuple[int, ...]) -> bool:
        """Whether an operand means the same on blocks: a map of these channels, a number, or one per channel."""
        array = array_of(argument)
        if array is not None:
            return array.size == 1 or (array.size == shape[1] and array.shape[-3:] == (shape[1], 1, 1))
        if not isinstance(argument, relax.Var):
            return True
        given = shape_of(argument)
        return given is not None and len(given) == 4 and given[:2] == shape[:2] and given[2:] in (shape[2:], (1, 1))

    def _on_blocks(self, value: Any) -> Any:
        def operand(argument: Any) -> Any:
            array = array_of(argument)
            if array is not None and array.size > 1:
                return block_constant(array, self.lanes)
            return replaced(argument, self._blocked)

        return relax.Call(value.op, [operand(argument) for argument in value.args], value.attrs, value.ty_args)

    # 3. Either layout of a variable

    def _planar(self, variable: Any) -> Any:
        if isinstance(variable, relax.GlobalVar):
            return self.callees[variable]
        if variable not in self.planar:
            unblock = unblock_channels(shape_of(variable))
            self.planar[variable] = self.builder.emit_te(unblock, self.blocked[variable], primfunc_name_hint="planar")
        return self.planar[variable]

    def _blocked(self, variable: Any) -> Any:
        if variable not in self.blocked:
            block = block_channels(self.lanes)
            self.blocked[variable] = self.builder.emit_te(block, self.planar[variable], primfunc_name_hint="blocked")
        return self.blocked[variable]


def _pairs(flow: Dataflow, layers: dict[Any, Layer]) -> dict[Any, Layer]:
    """By the root of a pointwise layer, the one before it that only it reads."""
    found: dict[Any, Layer] = {}
    taken: set[Any] = set()
    for root, second in layers.items():
        first = layers.get(second.source) if isinstance(second.source, relax.Var) else None
        if first is None or first.root in taken or flow.only_reader(first.root) is None:
            continue
        if _may_pair(first, second):
            found[root] = first
            taken |= {first.root, root}
    return found


def _may_pair(first: Layer, second: Layer) -> bool:
    pointwise = all(layer.convolution.is_pointwise and layer.convolution.stride == (1, 1) for layer in (first, second))
    return pointwise and first.other is None and first.convolution.height * first.convolution.width > 1
