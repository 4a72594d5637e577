"""Limits that a network is to keep to: time, memory at the peak, size, loss of accuracy."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from rdpass.core.errors import ConfigError
from rdpass.core.plan import Choice
from rdpass.core.printable import three_figures

_QUANTITY = re.compile(r"\s*(\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+)\s*([a-zµ]+)\s*")
_MILLISECONDS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "min": 6e4, "h": 3.6e6}
_BYTES = {"b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30}


@dataclass(frozen=True)
class Limits:
    """The most that a network may take; None where all will do.

    Args:
        ms: milliseconds of one inference on one core of the target.
        peak_bytes: of activations and scratch.
        weight_bytes: of weights as the kernels want them.
        drop: by which the figure on images held out may be lower than the teacher's.
    """

    ms: float | None = None
    peak_bytes: float | None = None
    weight_bytes: float | None = None
    drop: float | None = None

    @property
    def bounds_cost(self) -> bool:
        """Whether anything but the accuracy is limited."""
        return any(limit is not None for limit in (self.ms, self.peak_bytes, self.weight_bytes))


@dataclass(frozen=True)
class Miss:
    """A limit that a network does not keep to: ``value`` beside the ``most`` there may be, in the units of ``Limits``.

    Example:
        >>> print(Miss("ms", 33.0, 30.0))
        33 ms of 30 ms (10 % too much)
    """

    limit: str
    value: float
    most: float

    @property
    def excess(self) -> float:
        """By how much it is missed, as a share of the limit."""
        return self.value / self.most - 1 if self.most else math.inf

    def __str__(self) -> str:
        told = f"{words(self.limit, self.value)} of {amount(self.limit, self.most)}"
        if self.limit == "drop":
            return told
        share = f"{100 * self.excess:.2g}" if self.excess < 0.095 else f"{100 * self.excess:.0f}"
        return f"{told} ({share} % too much)"


def words(limit: str, value: float) -> str:
    """A value as people read it: 33 ms, peak 1.2 MB, weights 46 kB, drop 0.50."""
    name = {"ms": "", "peak_bytes": "peak ", "weight_bytes": "weights ", "drop": "drop "}[limit]
    return f"{name}{amount(limit, value)}"


def amount(limit: str, value: float) -> str:
    """A value with its unit: 33 ms, 46 kB, 0.50."""
    if limit == "drop":
        return f"{value:.2f}"
    if limit == "ms":
        return f"{three_figures(value)} ms"
    return f"{value / 1e3:.4g} kB" if value < 1e6 else f"{value / 1e6:.4g} MB"


def limits_of(latency: str | None, peak: str | None, size: str | None, drop: float | None) -> Limits:
    """Limits from texts with units.

    Raises:
        ConfigError: one is not such a text, or not above zero; the message says how to write it.

    Example:
        >>> limits_of("30ms", "1MB", "5e6B", 0.5)
        Limits(ms=30.0, peak_bytes=1000000.0, weight_bytes=5000000.0, drop=0.5)
    """
    if drop is not None and not (isinstance(drop, int | float) and 0 <= drop < math.inf):
        raise ConfigError(f"drop is a number of at least 0, in the figure's own unit (points of top-1), not {drop!r}")
    return Limits(
        None if latency is None else milliseconds(latency, "latency", "30ms"),
        None if peak is None else _parsed(peak, "peak", "1MB", _BYTES),
        None if size is None else _parsed(size, "size", "5MB", _BYTES),
        None if drop is None else float(drop),
    )


def milliseconds(text: str, name: str, example: str) -> float:
    """A time with its unit: us, ms, s, min, h.

    Raises:
        ConfigError: it is no such text.
    """
    return _parsed(text, name, example, _MILLISECONDS)


def _parsed(text: str, name: str, example: str, units: dict[str, float]) -> float:
    found = _QUANTITY.fullmatch(text.lower()) if isinstance(text, str) else None
    if found is None or found[2] not in units:
        known = ", ".join(unit if units is _MILLISECONDS else _spelt(unit) for unit in units if unit != "µs")
        raise ConfigError(f"{name} is a number and its unit ({known}), as {example}, not {text!r}")
    value = float(found[1]) * units[found[2]]
    if not 0 < value < math.inf:
        raise ConfigError(f"{name} is above zero, not {text!r}")
    return value


def _spelt(unit: str) -> str:
    return {"b": "B", "kb": "kB"}.get(unit, f"{unit[0].upper()}{unit[1:-1]}B")


def misses(limits: Limits, cost: Choice, drop: float | None = None) -> tuple[Miss, ...]:
    """The limits that a network of this cost, and this drop where it is known, does not keep to."""
    found = {"ms": cost.ms, "peak_bytes": cost.peak_bytes, "weight_bytes": cost.weight_bytes, "drop": drop}
    bounded = {name: most for name, most in vars(limits).items() if most is not None}
    values = {name: value for name, value in found.items() if value is not None}
    pairs = (Miss(name, values[name], most) for name, most in bounded.items() if name in values)
    return tuple(miss for miss in pairs if miss.value > miss.most)
