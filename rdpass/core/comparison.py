"""The one way numbers are compared: largest difference over largest expected magnitude, tolerance required.

Two float32 runs of one network round differently, and how much that shows is the network's own: an output that is the
small difference of large numbers has few digits left, and a runtime whose sigmoid is good to 1e-7 has none in scores of
1e-7. So where a comparison fails, or nearly does, what is expected is computed once more in float64, if the caller can:

1. A float32 run is off from float64 by its rounding: a hundredth of the output at most (``WORST_ROUNDING``), or next to
   nothing (``UNIT_ROUNDING``). One that is further off computes something else; then float32 alone decides, as ever.
2. Numbers that are within the tolerance of the float64 ones pass, however far the float32 oracle is from both.
3. Where float32 has fewer digits than the tolerance asks for, the oracle is off itself. Others may be ``ROUNDINGS``
   times as far off, ``WORST_ROUNDING`` at most: beyond that float32 has no answer to give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rdpass.core.errors import ConfigError, ParityError
from rdpass.core.numeric_types import FLOAT32

Array = NDArray[Any]
Exact = Callable[[], Sequence[Array] | None]
"""Gives the expected outputs in float64, or None where they can't be computed so."""

By = Literal["rdpass", "user"]

DOUBLE = "float64"
INTEGERS = "integers"
"""What computed the numbers expected of a quantised network."""
NEARLY = 0.5
"""A comparison nearly fails from this part of its tolerance on."""
ROUNDINGS = 10.0
"""So many times as far as one float32 run is off, another one may be: its sums have another order, its weights are
folded, its convolutions transformed."""
WORST_ROUNDING = 1e-2
"""Beyond it float32 has no answer to give."""
UNIT_ROUNDING = 1e-6
"""What runtimes may be off, absolutely, in functions whose range is one: sigmoid, tanh, softmax."""

_users: ContextVar[float | None] = ContextVar("users_tolerance", default=None)


@dataclass(frozen=True)
class NumericGate:
    """One hand-over whose numbers were compared.

    Args:
        name: of the hand-over.
        error: the relative one that used most of its tolerance, of all outputs.
        tolerance: what it was held to.
        oracle: what the numbers were compared with: ``float64`` where a run in that settled it, else the type of what
            was expected, or what computed it.
        oracle_error: of the float32 run that was expected, relative to float64; None where no float64 run was made.
        tolerance_by: ``user`` where the tolerance is the user's own.
    """

    name: str
    error: float
    tolerance: float
    oracle: str = FLOAT32.value
    oracle_error: float | None = None
    tolerance_by: By = "rdpass"


def gate_of(fields: Mapping[str, Any]) -> NumericGate:
    """A gate as JSON has it; what else is there is left out, and what older files don't have is not known.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    found = fields.get("oracle_error")
    return NumericGate(
        str(fields["name"]),
        float(fields["error"]),
        float(fields["tolerance"]),
        str(fields.get("oracle", FLOAT32.value)),
        None if found is None else float(found),
        "user" if fields.get("tolerance_by") == "user" else "rdpass",
    )


def gate_words(gate: NumericGate) -> tuple[str, str, str, str, str]:
    """A gate for people: its name, the error, the tolerance, what it was compared with, and how far float32 is off.

    Example:
        >>> gate_words(NumericGate("onnx", 1.9e-5, 1e-4, "float64", 3e-5, "user"))
        ('onnx', '1.90e-05', '1e-04 (yours)', 'float64', '3.0e-05')
    """
    short = f"{gate.tolerance:.0e}"
    tolerance = short if float(short) == gate.tolerance else f"{gate.tolerance:.3g}"
    yours = " (yours)" if gate.tolerance_by == "user" else ""
    off = "" if gate.oracle_error is None else f"{gate.oracle_error:.1e}"
    return gate.name, f"{gate.error:.2e}", tolerance + yours, gate.oracle, off


def loosest(gates: Iterable[NumericGate]) -> NumericGate:
    """Of the comparisons of one hand-over, the one that used most of its tolerance."""
    return max(gates, key=lambda gate: (gate.error / gate.tolerance if gate.tolerance else 0.0, gate.error))


@contextmanager
def users_tolerance(given: float | None) -> Iterator[None]:
    """Hold every comparison in the block to ``given`` in the place of its own tolerance; None changes nothing.

    Raises:
        ConfigError: no such number.
    """
    if given is not None and not (math.isfinite(given) and given >= 0):
        raise ConfigError(f"tolerance {given}: it is a relative error, 0 or more (1e-3)")
    token = _users.set(_users.get() if given is None else float(given))
    try:
        yield
    finally:
        _users.reset(token)


@contextmanager
def own_tolerances() -> Iterator[None]:
    """Hold the comparisons in the block to their own tolerances, whatever the user's is."""
    token = _users.set(None)
    try:
        yield
    finally:
        _users.reset(token)


def tolerance_or_users(own: float) -> float:
    """The user's tolerance, or ``own`` where none was given."""
    users = _users.get()
    return own if users is None else users


def relative_error(actual: Array, expected: Array) -> float:
    """``max|actual - expected| / max|expected|``, in float64; infinite where either holds what is not finite.

    Relative to the tensor's largest magnitude, not element by element: an element next to zero has no meaningful
    relative error of its own. An ``expected`` of nothing but zeros is compared absolutely.
    """
    if actual.shape != expected.shape:
        return float("inf")
    a, e = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    if a.size == 0:
        return 0.0
    if not (np.isfinite(a).all() and np.isfinite(e).all()):
        return float("inf")
    return float(np.abs(a - e).max() / (np.abs(e).max() or 1.0))


def oracle_of(golden_source: str) -> str | None:
    """What a gate calls golden outputs of that source, where their type does not say enough."""
    return golden_source if golden_source in (INTEGERS, DOUBLE) else None


def tolerance_by() -> By:
    """Whose tolerance comparisons are held to here."""
    return "rdpass" if _users.get() is None else "user"


def check_close(
    name: str,
    actual: Sequence[Array],
    expected: Sequence[Array],
    tolerance: float,
    exact: Exact | None = None,
    *,
    actual_exact: Exact | None = None,
    oracle: str | None = None,
    nearly: float = NEARLY,
) -> NumericGate:
    """Compare outputs pairwise and return the gate passed.

    Args:
        name: of the gate.
        actual: the outputs to look at.
        expected: those that they are to be.
        tolerance: the largest relative error; the user's own takes its place.
        exact: computes ``expected`` in float64; asked where the comparison fails or nearly fails.
        actual_exact: likewise ``actual``, where a runtime's rounding is not what is looked at.
        oracle: what computed ``expected``, where its type does not say enough.
        nearly: from which part of the tolerance on ``exact`` is asked.

    Raises:
        ParityError: they differ by more than ``tolerance``; the message names the gate, the output, the largest and
            mean difference, and where the largest is.

    Example:
        >>> half = np.float32([0.5])
        >>> gate = check_close("halves", [half], [half], 1e-5)
        >>> gate.error, gate.tolerance, gate.oracle
        (0.0, 1e-05, 'float32')
    """
    if len(actual) != len(expected):
        raise ParityError(f"{name}: {len(actual)} outputs where {len(expected)} were expected")
    allowed = tolerance_or_users(tolerance)
    errors = [relative_error(a, e) for a, e in zip(actual, expected, strict=True)]
    doubtful = any(nearly * allowed < error < math.inf for error in errors)
    unknown = [None] * len(expected)
    doubles = [(each() if each and doubtful else None) or unknown for each in (actual_exact, exact)]
    gates = [
        _judged(f"{name}: output {index}", a, e, actual_double, double, allowed)
        for index, (a, e, actual_double, double) in enumerate(zip(actual, expected, *doubles, strict=True))
    ]
    found = loosest(gates or [NumericGate(name, 0.0, allowed)])
    judge = oracle if oracle and found.oracle != DOUBLE else found.oracle
    return replace(found, name=name, oracle=judge, tolerance_by=tolerance_by())


def _judged(
    output: str, actual: Array, expected: Array, actual_double: Array | None, double: Array | None, tolerance: float
) -> NumericGate:
    """The gate of one output, which its numbers or those in float64, as far as these are known, are to pass."""
    error = relative_error(actual, expected)
    own = None if double is None else relative_error(expected, double)
    best = relative_error(actual if actual_double is None else actual_double, expected if double is None else double)
    if _are_roundings((actual, actual_double), (expected, double)):
        allowed = _allowed(best, own, tolerance)
        if best <= allowed:
            return NumericGate(output, best, allowed, expected.dtype.name if double is None else DOUBLE, own)
    if error <= tolerance:
        return NumericGate(output, error, tolerance, expected.dtype.name, own)
    said = _describe(actual, expected, error, tolerance)
    if own is not None:
        said += f"; in float64 they differ by {best:.2g}, and what was expected is off by {own:.2g} itself"
    raise ParityError(f"{output} {said}")


def _are_roundings(*pairs: tuple[Array, Array | None]) -> bool:
    """Tell whether float64 is known of any, and each differs from it as float32 may."""
    known = [(single, double) for single, double in pairs if double is not None]
    return bool(known) and all(
        relative_error(single, double) <= WORST_ROUNDING
        or (single.shape == double.shape and bool((np.abs(single - double) <= UNIT_ROUNDING).all()))
        for single, double in known
    )


def _allowed(error: float, own: float | None, tolerance: float) -> float:
    """The tolerance, or what rounding costs this output, where that is more and is needed. A user's word is final."""
    if error <= NEARLY * tolerance or own is None or own > WORST_ROUNDING or _users.get() is not None:
        return tolerance
    return max(tolerance, min(_rounded_up(ROUNDINGS * own), WORST_ROUNDING))


def _describe(actual: Array, expected: Array, error: float, tolerance: float) -> str:
    if actual.shape != expected.shape:
        return f"has shape {actual.shape}, expected {expected.shape}"
    if not np.isfinite(actual).all():
        return f"holds {int((~np.isfinite(actual)).sum())} values that are not finite"
    difference = np.abs(np.asarray(actual, np.float64) - expected)
    where = tuple(int(i) for i in np.unravel_index(int(difference.argmax()), difference.shape))
    return (
        f"differs by {error:.3g} relative (tolerance {tolerance:.1g}): largest {difference.max():.3g} at {where},"
        f" mean {difference.mean():.3g}"
    )


def _rounded_up(number: float) -> float:
    """To one digit, as tolerances are shown."""
    if not 0 < number < math.inf:
        return number
    step = 10.0 ** math.floor(math.log10(number))
    return float(f"{math.ceil(number / step) * step:.0e}")


def sqnr(actual: Array, expected: Array) -> float:
    """Signal to quantisation noise in dB: the mean square of ``expected`` over that of the difference.

    Infinite where both are equal, minus infinity where what is expected is nothing but zeros.
    """
    a, e = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    noise, signal = float(((a - e) ** 2).mean()), float((e**2).mean())
    if noise == 0:
        return float("inf")
    return 10 * float(np.log10(signal / noise)) if signal > 0 else -float("inf")
