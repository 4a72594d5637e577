"""Put our kernels where they fit, and keep the layout they read and write from one to the next.

The function is written anew, binding by binding:
1. Where a kernel goes (``choose_placements``), one call takes the place of its operators. Weights are packed here.
2. Elementwise operators of blocked maps stay what they are, on blocks (``operators_on_blocks``). Concatenations and
   splits along whole blocks of channels are copies of ours, which ``share_maps`` makes unnecessary where it can.
3. Everything else reads and writes maps as the network has them, and is TVM's to lower. Between the two layouts a map
   is changed once, where it has to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import prod
from typing import Any

import tvm
from tvm import relax

from rdpass.core.numeric_types import NumericType
from rdpass.kernels.builder.function import WORKSPACE, written_once
from rdpass.kernels.builder.integer_products import BLOCK
from rdpass.kernels.choice import memory_bytes, template_of, transform_bytes
from rdpass.kernels.cost_model import plain_cycles
from rdpass.kernels.machine import Machine
from rdpass.kernels.template import Kernel, Tile
from rdpass.kernels.templates.concatenation import CopyKind, copy_kernel
from rdpass.kernels.workload import Workload
from rdpass.kernels.workload.concatenation import Concatenation
from rdpass.passes.lowering.dataflow import bytes_of, read_dataflow, replaced, shape_of, type_of, variables_of
from rdpass.passes.lowering.match.choose_placements import ChosenPlacement, choose_placements, homes_of
from rdpass.passes.lowering.match.placement import Placement
from rdpass.passes.lowering.rewrite.blocked_layout import as_type, block_channels, blocked_shape, unblock_channels
from rdpass.passes.lowering.rewrite.operators_on_blocks import (
    joins_blocks,
    on_blocks,
    part_shapes,
    runs_blocked,
    splits_blocks,
)

SCHEDULED = "tirx.is_scheduled"
OPERATIONS = "rdpass.operations"
"""The attribute of a kernel that tells its operations, in decimal digits: they may be more than an int32 holds."""
CYCLES = "rdpass.cycles"
"""The attribute of a kernel that tells how long it is estimated to take, in cycles, in decimal digits."""
FROM_MEMORY = "rdpass.from_memory"
"""The attribute of a kernel that tells the bytes it is estimated to have from memory, in decimal digits; 0 where nobody
knows."""
TRANSFORMED = "rdpass.transformed"
"""The attribute of a kernel that tells by how many bytes its packed weights exceed the smallest kernel's, in decimal
digits."""
RESULTS, PARTS = "rdpass.results", "rdpass.parts"
"""The attributes of a kernel that tell how many maps it writes, the last arguments before the workspace, and of a
concatenation or split (``concatenate``, ``split``) that it does nothing else."""
# TVM's number for "never fuse this with its neighbours": a kernel is complete as it is.
_OPAQUE = 8


@tvm.transform.module_pass(opt_level=0, name="PlaceKernels")
class PlaceKernels:
    """Preserves values up to the kernels' rounding."""

    def __init__(self, machine: Machine, tuned: Mapping[Workload, Tile]) -> None:
        self.machine = machine
        self.tuned = tuned

    def transform_module(self, module: tvm.IRModule, context: Any) -> tvm.IRModule:
        builder = relax.BlockBuilder()
        callees = {
            variable: builder.add_func(function, variable.name_hint)
            for variable, function in module.functions_items()
            if not isinstance(function, relax.Function)
        }
        with written_once():
            for variable, function in module.functions_items():
                if isinstance(function, relax.Function):
                    _Writer(builder, callees, function, self.machine, self.tuned).write(variable.name_hint)
        return builder.finalize()


def _lanes(work: Workload, machine: Machine) -> int:
    """Channels of a block of what a kernel reads and writes: bytes and floats that come of them lie alike."""
    return max(machine.isa.block(numeric) for numeric in (work.types.input, work.types.output))


def _written_shape(placement: Placement, shape: tuple[int, ...], lanes: int) -> tuple[int, ...]:
    """The shape of what a kernel writes for a variable of ``shape``."""
    match placement.writes:
        case "blocked":
            return blocked_shape(_as_map(shape), lanes)
        case "flat":
            return (*shape[:2], prod(shape[2:]))
        case "planar":
            return shape


def _only_copies(work: Workload) -> bool:
    """Tell whether it puts maps of whole blocks one behind another as they are."""
    if not isinstance(work, Concatenation) or any(work.rescaled):
        return False
    return all(count % BLOCK == 0 for count in work.parts)


def _as_map(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A vector (N, C) as the map of one pixel that it is in blocks."""
    return shape if len(shape) == 4 else (*shape, 1, 1)


class _Writer:
    """Writes one function anew. ``planar`` and ``blocked`` hold what its variables have become, in either layout;
    ``narrower`` floats that a kernel of bytes gave in its blocks, in those of kernels of floats.
    """

    def __init__(
        self, builder: relax.BlockBuilder, callees: dict[Any, Any], function: Any, machine: Machine,
        tuned: Mapping[Workload, Tile],
    ) -> None:  # fmt: skip
        self.builder = builder
        self.callees = callees
        self.function = function
        self.machine = machine
        self.flow = read_dataflow(function)
        self.chosen = {chosen.placement.root: chosen for chosen in choose_placements(self.flow, machine, tuned)}
        self.homes = homes_of(chosen.placement for chosen in self.chosen.values())
        self.planar: dict[Any, Any] = {parameter: parameter for parameter in function.params}
        self.blocked: dict[Any, Any] = {}
        self.narrower: dict[Any, Any] = {}
        self.parts: dict[Any, Any] = {}
        self.kernels: dict[str, Any] = {}

    def write(self, name: str) -> None:
        builder = self.builder
        with builder.function(name, list(self.function.params), attrs=dict(self.function.attrs or {})):
            with builder.dataflow():
                for variable, value in self.flow.bindings:
                    if self.homes.get(variable, variable) is variable:
                        self._write(variable, value)
                result = builder.emit_output(replaced(self.flow.result, self._planar))
            builder.emit_func_output(result)

    def _write(self, variable: Any, value: Any) -> None:
        chosen = self.chosen.get(variable)
        if chosen is not None and chosen.placement.writes == "blocked":
            self.blocked[variable] = self._kernel(chosen)
        elif chosen is not None:
            written = self._as_meant(self._kernel(chosen), variable)
            self.planar[variable] = self._shaped(written, shape_of(variable) or ())
        elif joins_blocks(value, self.blocked, self.machine.isa):
            self.blocked[variable] = self._join(variable, variables_of(value))
        elif splits_blocks(self.flow, variable, value, self.blocked, self.machine.isa):
            self.parts[variable] = self._split(value.args[0], variable)
        elif isinstance(value, relax.TupleGetItem) and value.tuple_value in self.parts:
            self.blocked[variable] = self.builder.emit(relax.TupleGetItem(self.parts[value.tuple_value], value.index))
        elif runs_blocked(variable, value, self.blocked):
            lanes = self._own_lanes(variable)
            read = partial(self._blocked, lanes=lanes)
            self.blocked[variable] = self.builder.emit(on_blocks(value, read, lanes))
        else:
            self.planar[variable] = self.builder.emit(replaced(value, self._planar))

    # 1. Kernels

    def _kernel(self, chosen: ChosenPlacement) -> Any:
        placement, kernel = chosen.placement, chosen.kernel(self.machine)
        lanes = _lanes(chosen.workload, self.machine)
        source = self._source(placement, lanes)
        other = None if placement.other is None else self._blocked(placement.other, lanes)
        shape = shape_of(placement.root)
        assert shape is not None
        written = _written_shape(placement, shape, lanes)
        gate = [] if placement.gate is None else [self._blocked(placement.gate, lanes)]
        others = [self._blocked(each, lanes) for each in placement.others]
        arguments = [source, *others, *gate, *(relax.const(constant) for constant in kernel.constants)]
        if other is not None:
            arguments.append(other)
        parts = "concatenate" if _only_copies(chosen.workload) else ""
        cost = template_of(chosen.tile).cost(chosen.workload, chosen.tile, self.machine)
        count = chosen.workload.operations
        read = memory_bytes(chosen.workload, chosen.tile, self.machine)
        more = transform_bytes(chosen.workload, chosen.tile, self.machine)
        results = self._call(kernel, count, arguments, [written], chosen.in_place, parts, cost, read, more)
        return self.builder.emit(relax.TupleGetItem(results, 0))

    def _source(self, placement: Placement, lanes: int) -> Any:
        match placement.reads:
            case "blocked":
                return self._blocked(placement.source, lanes)
            case "flat":
                return self._flat(placement.source)
            case "vector":
                return self._one_pixel(self._planar(placement.source))

    def _call(
        self, kernel: Kernel, count: int, arguments: list[Any], written: Sequence[tuple[int, ...]],
        in_place: bool = False, parts: str = "", cost: float = 0.0, read: float = 0.0, transformed: int = 0,
    ) -> Any:  # fmt: skip
        """The tuple of what is ``written``, arrays of such shapes, and the workspace.

        ``cost``: cycles by the cost model, ``read``: bytes from memory; 0 where it knows nothing of the kernel.
        ``transformed``: bytes of weights beyond the smallest kernel's.
        """
        if kernel.name not in self.kernels:
            function = kernel.function.with_attr(SCHEDULED, True).with_attr("op_pattern", _OPAQUE)
            function = function.with_attr(OPERATIONS, str(count)).with_attr(RESULTS, len(written))
            moved = sum(bytes_of(argument) or 0 for argument in arguments)
            moved += sum(kernel.types.output.size(shape) for shape in written)
            cycles = cost or plain_cycles(count, moved, kernel.types, self.machine)
            function = function.with_attr(CYCLES, str(round(cycles))).with_attr(FROM_MEMORY, str(round(read)))
            function = function.with_attr(TRANSFORMED, str(transformed))
            if parts:
                function = function.with_attr(PARTS, parts)
            self.kernels[kernel.name] = self.builder.add_func(function.without_attr("global_symbol"), kernel.name)
        callee = self.kernels[kernel.name]
        # The workspace is one more result, which nobody reads: so it is planned as any other map.
        shapes = [*written, (int(kernel.function.attrs[WORKSPACE]),)]
        outputs = kernel.function.params[-len(shapes) :]
        results = [relax.TensorType(s, str(output.dtype)) for s, output in zip(shapes, outputs, strict=True)]
        if in_place:
            places = [len(arguments) - 1, -1]
            return self.builder.emit(relax.call_tir_inplace(callee, arguments, places, results))
        return self.builder.emit(relax.call_tir(callee, arguments, out_ty=results))

    # 2. Concatenations and splits

    def _join(self, variable: Any, parts: Sequence[Any]) -> Any:
        lanes, shapes = self._own_lanes(variable), [shape_of(part) or () for part in parts]
        written = blocked_shape(shape_of(variable) or (), lanes)
        arguments = [self._blocked(part, lanes) for part in parts]
        kernel = self._copy("concatenate", shapes, type_of(variable))
        results = self._call(kernel, 0, arguments, [written], parts="concatenate")
        return self.builder.emit(relax.TupleGetItem(results, 0))

    def _split(self, source: Any, variable: Any) -> Any:
        lanes, shapes = self._own_lanes(source), part_shapes(variable)
        written = [blocked_shape(shape, lanes) for shape in shapes]
        kernel = self._copy("split", shapes, type_of(source))
        return self._call(kernel, 0, [self._blocked(source, lanes)], written, parts="split")

    def _copy(self, kind: CopyKind, shapes: Sequence[tuple[int, ...]], numeric: NumericType) -> Kernel:
        batch, _, height, width = shapes[0]
        return copy_kernel(kind, [shape[1] for shape in shapes], (batch, height * width), numeric, self.machine)

    def _own_lanes(self, variable: Any) -> int:
        """Channels of a block of such a map, where nothing else is said of it."""
        return self.machine.isa.block(type_of(variable))

    # 3. Either layout of a variable

    def _planar(self, variable: Any) -> Any:
        if isinstance(variable, relax.GlobalVar):
            return self.callees[variable]
        if variable not in self.planar:
            shape = shape_of(variable) or ()
            unblock = unblock_channels(_as_map(shape), type_of(variable))
            found = self.builder.emit_te(unblock, self.blocked[variable], primfunc_name_hint="planar")
            self.planar[variable] = self._shaped(found, shape)
        return self.planar[variable]

    def _shaped(self, array: Any, shape: tuple[int, ...]) -> Any:
        """The same memory as another shape."""
        return array if shape_of(array) == shape else self.builder.emit(relax.op.reshape(array, shape))

    def _as_meant(self, array: Any, variable: Any) -> Any:
        """What a kernel wrote, as bytes of the sign that they have in the network."""
        if type_of(array) is type_of(variable):
            return array
        return self.builder.emit_te(as_type(type_of(variable)), array, primfunc_name_hint="shifted")

    def _blocked(self, variable: Any, lanes: int) -> Any:
        """In blocks of ``lanes`` channels. Bytes are kept as those that the instruction set multiplies."""
        for known in (self.blocked.get(variable), self.narrower.get(variable)):
            if known is not None and (shape_of(known) or ())[-1] == lanes:
                return known
        kept = type_of(variable) if type_of(variable).is_float else self.machine.isa.byte
        block = block_channels(lanes, kept)
        planar = self._shaped(self._planar(variable), _as_map(shape_of(variable) or ()))
        found = self.builder.emit_te(block, planar, primfunc_name_hint="blocked")
        layouts = self.narrower if variable in self.blocked else self.blocked
        layouts[variable] = found
        return found

    def _flat(self, variable: Any) -> Any:
        """A planar map with its pixels in one axis: the same memory."""
        batch, channels, height, width = shape_of(variable) or ()
        return self.builder.emit(relax.op.reshape(self._planar(variable), (batch, channels, height * width)))

    def _one_pixel(self, array: Any) -> Any:
        """A batch of numbers in blocks of channels of one pixel: the same memory."""
        batch, *rest = shape_of(array) or ()
        lanes = self._own_lanes(array)
        return self.builder.emit(relax.op.reshape(array, (batch, prod(rest) // lanes, 1, lanes)))
