"""Match the operators of an activation of a value that nobody else reads, as importers and exporters write it.

1. PReLU with a constant slope per channel or one for all, and a leaky ReLU, which is one.
2. A sigmoid, and a hard sigmoid: any chain of scalar sums, products and bounds that comes to clip(x / 6 + 1/2, 0, 1).
3. x times either of them, with scalar factors before or after: SiLU and hard swish.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.kernels.workload import ActivationKind
from rdpass.passes.lowering.dataflow import Dataflow, array_of, operator_of, type_of

_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Activation:
    """``root`` is the activated value, ``inside`` what is computed on the way, ``rows`` the numbers per channel."""

    root: Any
    inside: tuple[Any, ...]
    kind: ActivationKind
    rows: tuple[Array, ...] = ()


def find_activation(flow: Dataflow, value: Any, channels: int) -> Activation | None:
    """The activation of ``value``, a map of so many channels, if all its readers belong to it."""
    if value in flow.results:
        return None
    readers = flow.readers[value]
    if len(readers) == 1:
        return _sloped(flow, value, readers[0], channels) or _gate(flow, value, readers[0])
    if len(readers) == 2:
        return _gated(flow, value, *readers) or _gated(flow, value, *reversed(readers))
    return None


def _sloped(flow: Dataflow, value: Any, reader: Any, channels: int) -> Activation | None:
    """Case 1."""
    call: Any = flow.value(reader)
    if operator_of(call) == "relax.nn.leakyrelu":
        slope = np.full(1, call.attrs.alpha, type_of(value))
    elif operator_of(call) == "relax.nn.prelu" and call.args[0].same_as(value):
        given = array_of(call.args[1])
        if given is None or (given.size > 1 and int(call.attrs.axis) != 1):
            return None
        slope = given.reshape(-1)
    else:
        return None
    return Activation(reader, (), "prelu", (np.broadcast_to(slope, (channels,)),))


def _gate(flow: Dataflow, value: Any, reader: Any) -> Activation | None:
    """Case 2."""
    if operator_of(flow.value(reader)) == "relax.sigmoid":
        return Activation(reader, (), "sigmoid")
    chain: _Chain | None = _Chain(value)
    following: Any = reader
    while chain is not None and following is not None:
        chain = chain.then(flow, following)
        if chain is not None and chain.bounded == _HARD_SIGMOID:
            return Activation(chain.value, chain.results[:-1], "hard_sigmoid")
        following = None if chain is None else flow.only_reader(chain.value)
    return None


def _gated(flow: Dataflow, value: Any, reader: Any, product: Any) -> Activation | None:
    """Case 3: ``product`` is ``value`` times what comes of ``reader``."""
    gate = _sigmoid_then(flow, value, reader, product)
    return gate if gate is not None else _hard_gated(flow, value, reader, product)


def _sigmoid_then(flow: Dataflow, value: Any, reader: Any, product: Any) -> Activation | None:
    if operator_of(flow.value(reader)) != "relax.sigmoid" or not _multiplies(flow, product, value, reader):
        return None
    return Activation(product, (reader,), "silu")


def _hard_gated(flow: Dataflow, value: Any, reader: Any, product: Any) -> Activation | None:
    chain = _Chain(value).then(flow, reader)
    while chain is not None and not _multiplies(flow, product, value, chain.value):
        following = flow.only_reader(chain.value)
        chain = None if following is None else chain.then(flow, following)
    if chain is None:
        return None
    # What follows the product scales it as it would have scaled the gate.
    chain = replace(chain, results=(*chain.results, product))
    while chain is not None and chain.bounded != _HARD_SIGMOID:
        following = flow.only_reader(chain.value)
        chain = None if following is None else chain.scaled(flow, following)
    return None if chain is None else Activation(chain.value, chain.results[:-1], "hard_swish")


def _multiplies(flow: Dataflow, product: Any, left: Any, right: Any) -> bool:
    call: Any = flow.value(product)
    if operator_of(call) != "relax.multiply" or flow.only_reader(right) is None:
        return False
    first, second = call.args
    return bool((first.same_as(left) and second.same_as(right)) or (first.same_as(right) and second.same_as(left)))


@dataclass(frozen=True)
class _Bounded:
    """``clip(slope * x + shift, low, high)``; equal up to rounding."""

    slope: float = 1.0
    shift: float = 0.0
    low: float = -np.inf
    high: float = np.inf

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, _Bounded)
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return all(bool(np.isclose(mine, theirs, rtol=_TOLERANCE, atol=_TOLERANCE)) for mine, theirs in pairs)

    def plus(self, number: float) -> _Bounded:
        return _Bounded(self.slope, self.shift + number, self.low + number, self.high + number)

    def times(self, number: float) -> _Bounded:
        """For a positive number."""
        return _Bounded(self.slope * number, self.shift * number, self.low * number, self.high * number)

    def clipped(self, low: float, high: float) -> _Bounded:
        return replace(self, low=min(max(self.low, low), high), high=max(min(self.high, high), low))


_HARD_SIGMOID = _Bounded(1 / 6, 0.5, 0.0, 1.0)


@dataclass(frozen=True)
class _Chain:
    """A chain of scalar operators on ``source``: the variables of their results, and what they come to."""

    source: Any
    results: tuple[Any, ...] = ()
    bounded: _Bounded = _Bounded()

    @property
    def value(self) -> Any:
        return self.results[-1] if self.results else self.source

    def then(self, flow: Dataflow, reader: Any) -> _Chain | None:
        """The chain with ``reader``, if it is a sum, product or bound with a number."""
        call: Any = flow.value(reader)
        number = _number(call, self.value)
        match operator_of(call):
            case "relax.add" if number is not None:
                return self._with(reader, self.bounded.plus(number))
            case "relax.maximum" if number is not None:
                return self._with(reader, self.bounded.clipped(number, np.inf))
            case "relax.minimum" if number is not None:
                return self._with(reader, self.bounded.clipped(-np.inf, number))
            case "relax.clip":
                return self._with(reader, self.bounded.clipped(*clip_bounds(call)))
            case "relax.nn.relu":
                return self._with(reader, self.bounded.clipped(0.0, np.inf))
        return self.scaled(flow, reader)

    def scaled(self, flow: Dataflow, reader: Any) -> _Chain | None:
        """The chain with ``reader``, if it is a product with a positive number, or a quotient by one."""
        call: Any = flow.value(reader)
        number = _number(call, self.value)
        if number is None or number <= 0:
            return None
        match operator_of(call):
            case "relax.multiply":
                return self._with(reader, self.bounded.times(number))
            case "relax.divide" if call.args[0].same_as(self.value):
                return self._with(reader, self.bounded.times(1 / number))
        return None

    def _with(self, reader: Any, bounded: _Bounded) -> _Chain:
        return _Chain(self.source, (*self.results, reader), bounded)


def _number(call: Any, value: Any) -> float | None:
    """The one number that an operator of two combines ``value`` with."""
    arguments = [argument for argument in getattr(call, "args", ()) if not argument.same_as(value)]
    array = array_of(arguments[0]) if len(arguments) == 1 and len(call.args) == 2 else None
    return float(array.reshape(())) if array is not None and array.size == 1 and array.ndim <= 4 else None


def clip_bounds(call: Any) -> tuple[float, float]:
    """The bounds of a ``relax.clip``."""
    low, high = (float(bound.value) for bound in call.args[1:])
    return low, high
