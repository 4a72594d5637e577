"""The precision that a network is built in: what was asked for, or what its file is; and how exact that has to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from rdpass.core.errors import ConfigError, TargetError
from rdpass.core.numeric_types import BYTES, FLOAT16, HALF, SINGLE, NumericTypes, Precision
from rdpass.onnx.source import OnnxSource
from rdpass.targets.isa import isa_of
from rdpass.targets.lookup import HOST, Target, find_target, host_target, with_byte_products

TOLERANCES: Mapping[Precision, float] = {SINGLE: 1e-4, HALF: 2e-2, BYTES: 5e-2}
"""Errors of a network's outputs that are allowed, relative to the largest.

In float16 each number is rounded to 2^-11 of itself, and sums of thousands are off by up to a hundredth of their
largest. Kernels of bytes are exact: the error of a network of nothing else is 0. Where some of it is computed in
floats, a byte next to a half may be another.
"""

RUNTIME_TOLERANCES: Mapping[Precision, float] = {SINGLE: 1e-3, HALF: 2e-2, BYTES: 1e-1}
"""The same of other runtimes, beside a network of ours in that precision: of bytes they round differently in every
layer. What is further off computes something else (half precision where float32 was meant, say)."""


def check_precision(asked: Precision | None) -> None:
    """
    Raises:
        ConfigError: there is no such precision.
    """
    if asked is not None and asked not in get_args(Precision):
        raise ConfigError(f"there is no precision {asked!r}; it is one of {', '.join(get_args(Precision))}")


def precision_of(source: OnnxSource, asked: Precision | None, target: Target) -> Precision:
    """The precision that a network is built in.

    Raises:
        ConfigError: the network is not of such a kind.
        TargetError: the target does not compute so.
    """
    own: Precision = BYTES if source.is_quantised else SINGLE
    if asked is None or asked == own:
        return own
    if asked == BYTES:
        raise ConfigError("the network is not quantised; make an int8 file of it first (rdpass quantize)")
    if own == BYTES:
        raise ConfigError(f"the network is quantised: it computes in int8, not in {asked}; give the float network")
    check_computes(target, asked)
    return asked


def check_computes(target: Target, asked: Precision | None) -> None:
    """
    Raises:
        TargetError: ``target`` does not compute in such numbers.
    """
    if asked == HALF and not isa_of(target).computes(NumericTypes.all(FLOAT16)):
        raise TargetError(
            f"{target.name} ({target.cpu}) does not compute in float16: take a target with asimdhp (rdpass targets)"
        )


def this_machine(source: OnnxSource) -> Target:
    """This machine, with what its CPU has beyond its level where a network of bytes computes with that."""
    return with_byte_products(host_target()) if source.is_quantised else host_target()


def target_for(source: OnnxSource, target: str | Target) -> Target:
    """The target of that name as code for such a network may use it, or the very target that was given.

    Raises:
        TargetError: there is none of that name.
    """
    if not isinstance(target, str):
        return target
    return this_machine(source) if target == HOST else find_target(target)
