"""What computes something else is not compared, and why a runtime could not be timed is one line."""

from __future__ import annotations

import numpy as np
import pytest

from rdpass.profiling.runtimes.checking import checked, reason_of
from rdpass.profiling.runtimes.workload import Workload

TOLERANCE = 1e-3


@pytest.mark.parametrize("error", [0.0, 0.9 * TOLERANCE])
def test_an_output_that_is_near_is_taken_with_its_error_whatever_its_shape(work: Workload, error: float) -> None:
    def load(given: Workload, threads: int):
        assert (given, threads) == (work, 3)
        return lambda x: (work.expected + error * np.abs(work.expected).max()).ravel()

    inference, found = checked(load, work, 3, TOLERANCE)
    assert found == pytest.approx(error, rel=1e-2, abs=1e-7)
    assert inference(work.x).size == work.expected.size


@pytest.mark.parametrize("spoil", [lambda y: y * 1.01, lambda y: y * np.nan, np.zeros_like], ids=["off", "nan", "zero"])
def test_an_output_that_is_another_is_refused(work: Workload, spoil) -> None:
    with pytest.raises(ValueError, match="differs from the expected one by"):
        checked(lambda given, threads: lambda x: spoil(work.expected), work, 1, TOLERANCE)


def raised(problem: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise problem from cause
    except Exception as error:
        return error


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (
            ModuleNotFoundError("No module named 'ncnn'", name="ncnn"),
            'ncnn is not installed; pip install "rdpass[peers]"',
        ),
        (raised(RuntimeError("outer"), ModuleNotFoundError("x", name="MNN")), "MNN is not installed; pip install"),
        (RuntimeError("operator Max is not known\nand more"), "RuntimeError: operator Max is not known"),
        (RuntimeError("\n\n  the second line"), "RuntimeError: the second line"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_the_reason_is_the_first_line_of_what_was_at_the_bottom(problem: Exception, reason: str) -> None:
    said = reason_of(problem)
    assert said.startswith(reason)
    assert "\n" not in said
