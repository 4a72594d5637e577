"""Trial by trial: a budget of time, and a search that finds nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

import rdpass
from rdpass.core.errors import DeviceError, TargetError
from rdpass.tuning.job import Timing
from rdpass.tuning.outcome import Outcome, Rejected, Unknown
from rdpass.tuning.task import Trial

from .made_up import MadeUp


@pytest.mark.parametrize(
    ("method", "outcome", "kind"),
    [("host", Rejected("it crashed"), TargetError), ("rpc", Unknown("it burnt"), DeviceError)],
)
def test_where_nothing_could_be_measured_tuning_fails_with_the_reason(
    made_up: Callable[..., MadeUp], tiny_onnx: Path, tmp_path: Path, method: str, outcome: Outcome, kind: type
) -> None:
    made_up(outcome=lambda trial: outcome, method=method)
    with pytest.raises(kind, match=r"tuning found nothing.*it (crashed|burnt)"):
        rdpass.tune(tiny_onnx, "host", tmp_path, trials=4, show_progress=False)


def test_a_time_budget_ends_the_search(made_up: Callable[..., MadeUp], tiny_onnx: Path, tmp_path: Path) -> None:
    def slow(trial: Trial) -> Outcome:
        time.sleep(0.1)
        return Timing(1e-3, 1e-3, 9, 0.1, 0.0)

    measurer = made_up(outcome=slow)
    tuning = rdpass.tune(tiny_onnx, "host", tmp_path, trials=400, seconds=1.0, show_progress=False)
    assert 1 <= tuning.trials == len(measurer.seen) <= 10
