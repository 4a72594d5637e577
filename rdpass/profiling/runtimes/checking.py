"""A runtime is made ready, and compared only if it computes what the network computes."""

from __future__ import annotations

from rdpass.core.comparison import relative_error
from rdpass.core.errors import root_of
from rdpass.profiling.runtimes.catalogue import Loader
from rdpass.profiling.runtimes.workload import Inference, Workload


def checked(loader: Loader, load: Workload, threads: int, tolerance: float) -> tuple[Inference, float]:
    """The inference, and how far its output is from the expected one, relative.

    Raises:
        ValueError: further than ``tolerance``. The loader raises whatever its runtime does.
    """
    inference = loader(load, threads)
    error = relative_error(inference(load.x).reshape(load.expected.shape), load.expected)
    if not error <= tolerance:
        raise ValueError(f"its output differs from the expected one by {error:.2g} relative, tolerance {tolerance:g}")
    return inference, error


def reason_of(problem: BaseException) -> str:
    """One line on why a runtime could not be timed."""
    problem = root_of(problem)
    if isinstance(problem, ModuleNotFoundError) and problem.name:
        return f'{problem.name} is not installed; pip install "rdpass[peers]"'
    line = next(iter(str(problem).strip().splitlines()), "")
    return f"{type(problem).__name__}: {line}" if line else type(problem).__name__
