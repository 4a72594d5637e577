"""Small workloads of every class, and of every kind that a template accepts: odd sizes, tails of channels."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from rdpass.core.numeric_types import FLOAT32, INT8, INT32, UINT8, NumericType, NumericTypes
from rdpass.kernels.machine import Machine
from rdpass.kernels.template import Template
from rdpass.kernels.workload import (
    Convolution,
    Dequantization,
    Elementwise,
    Epilogue,
    Head,
    Places,
    PointwisePair,
    Pooling,
    Quantization,
    QuantizedStem,
    Resizing,
    Stem,
    Workload,
)
from rdpass.kernels.workload.concatenation import Concatenation
from rdpass.kernels.workload.lookup import Lookup
from rdpass.targets.isa import ASIMD

_ADDED = Epilogue("prelu", add=True)
_CONV = Convolution(2, 10, 13, 9, 11, (3, 3), (1, 1), (1, 1, 1, 1), epilogue=_ADDED)
_POINT = Convolution(1, 10, 26, 7, 6, (1, 1), epilogue=Epilogue("channel_clip"))
_STEM = Convolution(1, 3, 10, 19, 27, (7, 7), (2, 2), (3, 3, 3, 3), epilogue=Epilogue("relu"))
_POOL = Pooling(1, 10, 10, 14, "max", (3, 3), (2, 2), (1, 1, 1, 1))

EXAMPLES: tuple[Workload, ...] = (
    _CONV,
    replace(_CONV, stride=(2, 2)),
    replace(_CONV, kernel=(5, 3), dilation=(1, 2), padding=(0, 2, 1, 0)),
    replace(_CONV, channels=12, filters=18, groups=6),
    replace(_CONV, subpixel=(2, 3)),
    replace(_CONV, channels=13, groups=13, epilogue=Epilogue("silu")),
    _POINT,
    replace(_POINT, stride=(2, 2), epilogue=Epilogue("relu", add=True, in_place=True)),
    PointwisePair(_POINT, replace(_POINT, channels=26, filters=16, epilogue=_ADDED)),
    Stem(_STEM),
    Stem(_STEM, _POOL),
    _POOL,
    replace(_POOL, kind="average", divisor=9),
    Resizing(1, 10, 5, 4, 10, 8, "linear", Places(10, -5, 20), Places(8, -4, 16)),
    Resizing(1, 10, 5, 4, 10, 8, "nearest", Places(5, 0, 10), Places(4, 0, 8)),
    Head(2, 10, 21, 37),
    Head(1, 10, 21, 0),
    Head(1, 10, 3, 21, averages=False),
    Elementwise(2, 10, 21, _ADDED),
    Elementwise(1, 10, 3, Epilogue("relu"), "constant"),
    Elementwise(2, 10, 21, _ADDED, "gate"),
)


_BYTES = replace(_CONV, channels=20, filters=35, epilogue=Epilogue("clip", add=True, late=True))
_BYTES_POINT = replace(_POINT, channels=20, filters=50, epilogue=Epilogue())

_SUM = Epilogue("clip", add=True, late=True)
_INTEGERS: tuple[Workload, ...] = (
    _BYTES,
    replace(_BYTES, kernel=(5, 3), stride=(2, 1), dilation=(1, 2), padding=(0, 2, 1, 0)),
    replace(_BYTES, channels=24, filters=36, groups=6, epilogue=Epilogue()),
    replace(_BYTES, subpixel=(2, 3)),
    replace(_BYTES, filters=20, groups=20),
    replace(_BYTES, filters=20, groups=20, kernel=(5, 5), stride=(2, 1), padding=(2, 2, 1, 2), epilogue=Epilogue()),
    _POOL,
    replace(_POOL, kind="average"),
    replace(_POOL, kind="average", divisor=9),
    Head(2, 20, 49, 0),
    Head(2, 20, 1, 37),
    Head(1, 20, 3, 21, averages=False),
    Elementwise(2, 20, 21, _SUM),
    Elementwise(2, 20, 21, scale="gate"),
    Elementwise(1, 20, 21, Epilogue("clip"), "map"),
    Lookup(2, 20, 21),
    Concatenation(2, (20, 16, 3), 21, (True, False, True)),
    Resizing(1, 20, 5, 4, 10, 8, "linear", Places(10, -5, 20), Places(8, -4, 16)),
    Resizing(1, 20, 5, 4, 10, 8, "nearest", Places(5, 0, 10), Places(4, 0, 8)),
    _BYTES_POINT,
    replace(_BYTES_POINT, stride=(2, 2), epilogue=Epilogue("none", add=True, in_place=True, late=True)),
    PointwisePair(
        replace(_BYTES_POINT, epilogue=Epilogue("clip")),
        replace(_BYTES_POINT, channels=50, filters=20, epilogue=Epilogue("none", add=True, late=True)),
    ),
    QuantizedStem(replace(_STEM, filters=20, epilogue=Epilogue("clip")), replace(_POOL, channels=20)),
    QuantizedStem(replace(_STEM, filters=20, kernel=(3, 3), epilogue=Epilogue()), source=UINT8),
)


def integer_examples(byte: NumericType) -> tuple[Workload, ...]:
    """Workloads of such bytes, one of them with an output of float32, and the ways from and to float32."""
    types = NumericTypes(byte, INT8, INT32, byte)
    several = [retyped(work, types) for work in _INTEGERS]
    others = (
        retyped(_BYTES_POINT, replace(types, output=FLOAT32)),
        Quantization(2, 20, 21, NumericTypes(FLOAT32, FLOAT32, FLOAT32, byte)),
        Dequantization(2, 20, 21, replace(types, output=FLOAT32)),
    )
    return (*several, *others)


def retyped(work: Any, types: NumericTypes) -> Any:
    """The same of other numeric types, in every step."""
    changed = {}
    for field in fields(work):
        value = getattr(work, field.name)
        if isinstance(value, NumericTypes):
            changed[field.name] = types
        elif is_dataclass(value):
            changed[field.name] = retyped(value, types)
    return replace(work, **changed)


ARM = Machine(ASIMD, threads=4, multiplies=1.0, l1=32 << 10, l2=1 << 20, bandwidth=2.5)


def accepted(template: Template[Any, Any], machine: Machine = ARM) -> list[Workload]:
    """The examples that ``template`` computes."""
    every = (*EXAMPLES, *integer_examples(machine.isa.byte))
    works = (work for work in every if type(work) is template.workload)
    return [work for work in works if template.refusal(work, machine) is None]
