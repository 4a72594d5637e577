"""Epilogues alone: what no layer took in, on maps that kernels of ours wrote, joined or split.

1. A map times a gate of one pixel per channel: the end of a squeeze.
2. A batch norm, or a product with a constant per channel, that could not be folded: one before a padded convolution.
3. The sum of two maps.
4. An activation, a bound, or a sum with a constant per channel.

What follows is taken in as a layer would take it in (``grow_epilogue``).
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from tvm import relax

from rdpass.core.comparison import Array
from rdpass.kernels.workload import Elementwise
from rdpass.passes.lowering.dataflow import Dataflow, operator_of, shape_of, type_of, types_of
from rdpass.passes.lowering.match.batch_norm import affine_of
from rdpass.passes.lowering.match.grow_epilogue import GrownEpilogue, epilogue_from, grow_epilogue, per_channel
from rdpass.passes.lowering.match.placement import Placement
from rdpass.passes.lowering.rewrite.operators_on_blocks import joins_blocks, runs_blocked, splits_blocks
from rdpass.targets.isa import Isa


def find_elementwise(flow: Dataflow, blocked: Set[Any], taken: Set[Any], isa: Isa) -> Iterator[Placement]:
    """Placements on the maps in ``blocked``, on what becomes of them in blocks, and on those that placements write,
    without variables of ``taken``."""
    known, used, split = set(blocked), set(taken), set[Any]()
    for variable, value in flow.bindings:
        start = None if variable in used else _start(flow, variable, known, used)
        if start is not None:
            placement = start.placement()
            known.add(placement.root)
            used.update(placement.inside, (placement.root,))
            yield placement
        elif splits_blocks(flow, variable, value, known, isa):
            split.add(variable)
        elif variable not in used and (_is_part(value, split) or _stays_blocked(variable, value, known, isa)):
            known.add(variable)


def _is_part(value: Any, split: Set[Any]) -> bool:
    return isinstance(value, relax.TupleGetItem) and value.tuple_value in split


def _stays_blocked(variable: Any, value: Any, known: Set[Any], isa: Isa) -> bool:
    return joins_blocks(value, known, isa) or runs_blocked(variable, value, known)


@dataclass(frozen=True)
class _Start:
    """A map, what it is scaled by, and all that is done to it then."""

    source: Any
    grown: GrownEpilogue
    scale: Array | None = None
    gate: Any | None = None
    inside: tuple[Any, ...] = ()

    def placement(self) -> Placement:
        end = self.grown
        inside = tuple(v for v in (*self.inside, *end.inside) if not v.same_as(end.root) and not v.same_as(self.source))
        batch, channels, height, width = shape_of(self.source) or ()
        scale: Literal["none", "constant", "gate"] = "none" if self.scale is None else "constant"
        kind = "gate" if self.gate is not None else scale
        work = Elementwise(batch, channels, height * width, end.epilogue, kind, types_of(self.source))
        rows = (*end.rows, *([] if self.scale is None else [self.scale]))
        return Placement(end.root, self.source, work, (rows,), inside, end.other, gate=self.gate)


def _start(flow: Dataflow, variable: Any, known: Set[Any], taken: Set[Any]) -> _Start | None:
    call: Any = flow.value(variable)
    shape = shape_of(variable)
    if shape is None or len(shape) != 4:
        return None
    if isinstance(call, relax.TupleGetItem):
        return _norm(flow, variable, call, known, taken)
    maps = [argument for argument in getattr(call, "args", ()) if argument in known]
    full = [argument for argument in maps if shape_of(argument) == shape]
    if not full:
        return None
    match operator_of(call):
        case "relax.multiply":
            return _product(flow, variable, call, full, maps, taken)
        case "relax.add" if len(full) == 2:
            end = grow_epilogue(flow, variable, shape[1], taken, other=full[1])
            return _Start(full[0], end)
        case _:
            found = epilogue_from(flow, full[0], variable, shape[1], taken)
            return None if found is None else _Start(full[0], found)


def _product(
    flow: Dataflow, variable: Any, call: Any, full: list[Any], maps: list[Any], taken: Set[Any]
) -> _Start | None:
    """Cases 1 and 2."""
    channels = (shape_of(variable) or ())[1]
    gates = [argument for argument in maps if shape_of(argument) == (*(shape_of(variable) or ())[:2], 1, 1)]
    if len(maps) == 2 and gates:
        gate = gates[-1]
        source = maps[0] if maps[1].same_as(gate) else maps[1]
        return _Start(source, grow_epilogue(flow, variable, channels, taken), gate=gate)
    factors = [factor for argument in call.args if (factor := per_channel(argument, channels)) is not None]
    if len(factors) != 1:
        return None
    scale = np.broadcast_to(factors[0], (channels,)).astype(type_of(variable))
    return _Start(full[0], grow_epilogue(flow, variable, channels, taken), scale)


def _norm(flow: Dataflow, variable: Any, item: Any, known: Set[Any], taken: Set[Any]) -> _Start | None:
    """Case 2: the first of a batch norm's results, of constant statistics."""
    norm = item.tuple_value
    call: Any = flow.value(norm)
    affine = affine_of(call)
    if affine is None or item.index or call.args[0] not in known or flow.readers[norm] != [variable]:
        return None
    scale, shift = affine
    end = grow_epilogue(flow, variable, len(shift), taken, shift.astype(type_of(variable)))
    return _Start(call.args[0], end, scale.astype(type_of(variable)), inside=(norm,))
