"""What finders of integer kernels find, and where the floats of a layer become bytes again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from rdpass.core.numeric_types import INT8, INT32, NumericTypes
from rdpass.kernels.machine import Machine
from rdpass.kernels.quantization import Addition, Bounds, Requantization, limits
from rdpass.kernels.workload import Epilogue
from rdpass.passes.lowering.dataflow import Dataflow, array_of, operator_of
from rdpass.passes.lowering.match.find_activations import clip_bounds
from rdpass.passes.lowering.match.placement import Placement
from rdpass.passes.lowering.match.quantized import Scaled, quantized


@dataclass(frozen=True)
class Found:
    """A kernel for ``root``. ``by``: how its sums, or own value, become the output's numbers, and its last constant.

    ``addends``: of a sum. ``gate``: a map that is multiplied. ``last``: constants behind ``by``. ``parts``: both layers
    of a pair. ``others``: maps behind the source that are read like it.
    """

    root: Any
    source: Any
    work: Any
    inside: tuple[Any, ...]
    by: Requantization | None = field(default=None, repr=False)
    constants: tuple[Any, ...] = field(default=(), repr=False)
    addition: Addition | None = None
    addends: tuple[Any, ...] = ()
    gate: Any | None = None
    last: tuple[Any, ...] = field(default=(), repr=False)
    parts: tuple[Found, ...] = ()
    others: tuple[Any, ...] = ()
    reads: Literal["blocked", "flat"] = "blocked"
    writes: Literal["blocked", "planar", "flat"] = "blocked"

    def placement(self) -> Placement:
        other = self.addends[1] if self.addends else None
        numbers = (*self.constants, *(() if self.by is None else (self.by,)), *self.last)
        inside = tuple(dict.fromkeys(self.inside))
        return Placement(
            self.root, self.source, self.work, numbers, inside, other, tuple(part.placement() for part in self.parts),
            self.gate, self.reads, self.writes, self.others,
        )  # fmt: skip


@dataclass(frozen=True)
class End:
    """Where a float value becomes bytes: ``root`` and how, and the bounds that it is held between."""

    root: Any
    output: Scaled
    inside: tuple[Any, ...]
    low: float
    high: float

    def bounds(self, machine: Machine) -> Bounds:
        byte = machine.isa.byte
        low, high = limits(byte)
        least = self.output.holds(self.low, byte) if np.isfinite(self.low) else low
        most = self.output.holds(self.high, byte) if np.isfinite(self.high) else high
        return Bounds(self.output.zero_as(byte), least, most)


def end_of(flow: Dataflow, value: Any) -> End | None:
    """The quantisation that ``value`` goes into, through bounds, if nothing else reads it."""
    inside: list[Any] = []
    low, high = -np.inf, np.inf
    while (reader := flow.only_reader(value)) is not None:
        inside.append(value)
        output = quantized(flow, reader)
        if output is not None:
            return End(reader, output, tuple(inside), low, high)
        held = _bounds_of(flow.value(reader), value)
        if held is None:
            return None
        # The later bound holds.
        low, high = (min(max(bound, held[0]), held[1]) for bound in (low, high))
        value = reader
    return None


def _bounds_of(call: Any, value: Any) -> tuple[float, float] | None:
    """The bounds that an operator holds ``value`` between."""
    name = operator_of(call)
    if name == "relax.nn.relu":
        return 0.0, np.inf
    if name == "relax.clip":
        low, high = clip_bounds(call)
        return float(low), float(high)
    if name not in ("relax.maximum", "relax.minimum"):
        return None
    others = [array_of(argument) for argument in call.args if not argument.same_as(value)]
    if len(others) != 1 or others[0] is None or others[0].size != 1:
        return None
    bound = float(others[0].reshape(-1)[0])
    return (bound, np.inf) if name == "relax.maximum" else (-np.inf, bound)


def byte_types(machine: Machine) -> NumericTypes:
    """From bytes to bytes, as ``machine`` multiplies them."""
    return NumericTypes(machine.isa.byte, INT8, INT32, machine.isa.byte)


def epilogue_of(bounds: Bounds, machine: Machine) -> Epilogue:
    return Epilogue("clip" if bounds.cuts(machine.isa.byte) else "none")
