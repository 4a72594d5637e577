"""Check that two modules compute the same: on the example, on a random input, on a random batch of twice the size.

Where float32 leaves that open, the module that is to be equalled is run in double precision too (see ``comparison``).
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import partial

import torch
from torch import Tensor, nn

from rdpass.core.comparison import Array, NumericGate, check_close, loosest
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
    passed = []
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
        exact = partial(outputs_in_double, expected, trial)
        passed.append(check_close(name, arrays_of(got), arrays_of(wanted), tolerance, exact))
    return loosest(passed)


def outputs_in_double(module: object, inputs: Inputs) -> list[Array] | None:
    """What a module in single precision gives when it computes in double precision; the module itself stays.

    Args:
        module: a ``torch.nn.Module``; of anything else, as of code that sets a precision of its own, nothing is known.
        inputs: in single precision where they are floating-point.

    Returns:
        The outputs as float64 arrays, whole numbers as they are; None where they can't be computed so.

    Example:
        >>> outputs_in_double(torch.nn.Linear(3, 2), (torch.ones(1, 3),))[0].dtype
        dtype('float64')
    """
    if not isinstance(module, nn.Module) or precisions_of(module, inputs) != {torch.float32}:
        return None
    try:
        doubled = copy.deepcopy(module).double()
        with torch.no_grad():
            outputs = arrays_of(run_quietly(doubled, in_precision(inputs, torch.float64)))
    except Exception:  # of a user's code, which may raise anything in another precision
        return None
    return None if any(output.dtype.kind == "f" and output.dtype != "float64" for output in outputs) else outputs


def precisions_of(module: nn.Module, inputs: Inputs = ()) -> set[torch.dtype]:
    """The floating-point types of a module's parameters and buffers, and of ``inputs``."""
    tensors = (*module.parameters(), *module.buffers(), *inputs)
    return {tensor.dtype for tensor in tensors if tensor.is_floating_point()}


def in_precision(inputs: Inputs, dtype: torch.dtype) -> Inputs:
    """Copies of the inputs, those of floating-point numbers in ``dtype``."""
    return tuple(x.to(dtype, copy=True) if x.is_floating_point() else x.clone() for x in inputs)


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
