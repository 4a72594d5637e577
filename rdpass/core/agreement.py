"""Check that two modules compute the same: on the example, on a random input, on a random batch of twice the size."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stderr

import torch
from torch import Tensor

from rdpass.core.comparison import NumericGate, check_close
from rdpass.core.tensors import arrays_of

Inputs = tuple[Tensor, ...]


def check_agreement(
    name: str,
    actual: Callable[..., object],
    expected: Callable[..., object],
    inputs: Inputs,
    tolerance: float,
    outputs: object = None,
) -> NumericGate:
    """Compare two modules on the example, a random input of its shape and a random batch of twice the size.

    What ``expected`` itself does not take (one batch size only, numbers that must mean something) is left out.
    ``outputs``: what it gives on the example, where that is known.

    Raises:
        ParityError: they differ by more than ``tolerance`` relative to the largest output.
    """
    worst = 0.0
    for trial in (inputs, _random_like(inputs, 0), _twice_the_batch(_random_like(inputs, 1), _random_like(inputs, 2))):
        with torch.no_grad():
            try:
                known = outputs if trial is inputs else None
                wanted = run_quietly(expected, trial) if known is None else known
            except Exception:
                if trial is inputs:
                    raise
                continue
            got = actual(*(x.clone() for x in trial))
        worst = max(worst, check_close(name, arrays_of(got), arrays_of(wanted), tolerance).error)
    return NumericGate(name, worst, tolerance)


def run_quietly(module: Callable[..., object], inputs: Inputs) -> object:
    """What ``module`` computes of copies; where it fails, a graph module of torch's would print a traceback as well."""
    with torch.no_grad(), redirect_stderr(io.StringIO()):
        return module(*(x.clone() for x in inputs))


def _random_like(inputs: Inputs, seed: int) -> Inputs:
    """Standard-normal numbers in the place of floating-point ones; whole numbers may be indices and stay."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(x.shape, generator=generator).to(x) if x.is_floating_point() else x.clone() for x in inputs
    )


def _twice_the_batch(first: Inputs, second: Inputs) -> Inputs:
    return tuple(torch.cat([a, b]) if a.ndim else a for a, b in zip(first, second, strict=True))
