"""Maps at other extents (upsampling) that a kernel of ours computes: the nearest pixel, and linear interpolation.

Where output i of an axis lies on its input, of ``given`` pixels for ``wanted``:

    asymmetric      i given / wanted
    half_pixel      (i + 1/2) given / wanted - 1/2
    align_corners   i (given - 1) / (wanted - 1)

``Places`` holds that as a fraction of whole numbers. What is nearest is a matter of rounding, which goes into the same
fraction: the input at or before the place, or before the place and a half.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from rdpass.kernels.workload import Places, Resizing
from rdpass.passes.lowering.dataflow import Dataflow, operator_of, shape_of, types_of
from rdpass.passes.lowering.match.placement import Placement

_KINDS: dict[str, Literal["nearest", "linear"]] = {"nearest_neighbor": "nearest", "linear": "linear"}


def find_resizings(flow: Dataflow) -> Iterator[Placement]:
    """But for those of the network's own input, which is planar."""
    for variable, value in flow.bindings:
        work = resizing_of(flow, variable)
        if work is not None and value.args[0] not in flow.parameters:
            yield Placement(variable, value.args[0], work)


def resizing_of(flow: Dataflow, variable: Any) -> Resizing | None:
    """The resizing that ``variable`` is bound to, if a kernel of ours computes such."""
    call: Any = flow.value(variable)
    if operator_of(call) != "relax.image.resize2d":
        return None
    given, wanted, attrs = shape_of(call.args[0]), shape_of(variable), call.attrs
    kind = _KINDS.get(attrs.method)
    if kind is None or given is None or wanted is None or attrs.layout != "NCHW":
        return None
    mode, rounding = attrs.coordinate_transformation_mode, attrs.rounding_method
    batch, channels, height, width = given
    down = _places(kind, mode, rounding, height, wanted[2])
    across = _places(kind, mode, rounding, width, wanted[3])
    if down is None or across is None:
        return None
    types = types_of(variable)
    return Resizing(batch, channels, height, width, wanted[2], wanted[3], kind, down, across, types)


def _places(kind: str, mode: str, rounding: str, given: int, wanted: int) -> Places | None:
    if kind == "linear":
        match mode:
            case "half_pixel" | "pytorch_half_pixel" if mode == "half_pixel" or wanted > 1:
                return Places(2 * given, given - wanted, 2 * wanted)
            case "align_corners" if wanted > 1:
                return Places(given - 1, 0, wanted - 1)
            case "asymmetric":
                return Places(given, 0, wanted)
        return None
    match mode, rounding:
        case "asymmetric", "floor":
            return Places(given, 0, wanted)
        case "half_pixel", "round_prefer_ceil":
            return Places(2 * given, given, 2 * wanted)
        case "half_pixel", "round_prefer_floor":
            return Places(2 * given, given - 1, 2 * wanted)
    return None
