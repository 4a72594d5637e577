"""Ranking without a board: what an estimate is made of, that it repeats, and that it is called one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rdpass
from rdpass.cli.app import run
from rdpass.core.errors import TargetError
from rdpass.database.folder import read_records
from rdpass.deploy.bundle.runtime_libraries import find_libraries
from rdpass.kernels.choice import build_kernels, rank_tiles
from rdpass.kernels.machine import machine_of
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.passes.lowering.match.find_workloads import Occurrence
from rdpass.passes.tir.pipeline import NAME
from rdpass.profiling.emulation.emulator import Caches
from rdpass.profiling.emulation.kernel import measure_kernel
from rdpass.profiling.emulation.network import measure_network
from rdpass.targets.lookup import find_target
from rdpass.tuning.estimates import Estimates
from rdpass.tuning.job import Timing
from rdpass.tuning.libraries import step_of
from rdpass.tuning.task import Trial
from rdpass.tuning.worker import arguments_of

from .network_trial import network_trial, timing_of

RPI4 = find_target("rpi4")


@pytest.fixture
def estimates() -> Estimates:
    try:
        return Estimates(RPI4)
    except TargetError as error:
        pytest.skip(str(error))


def _trial(work: Convolution, number: int) -> Trial:
    random = np.random.default_rng(0)
    weights = random.standard_normal((work.filters, work.channels, *work.kernel), np.float32) / 10
    rows = [np.zeros(work.filters, np.float32)]
    return Trial(Occurrence(work, (weights, rows), 1), rank_tiles(work, machine_of(RPI4))[number].tile, 1)


def _estimated(estimates: Estimates, trial: Trial) -> Timing:
    waiting = [trial]
    ((_, timing),) = estimates.measure(lambda: waiting.pop() if waiting else None, lambda: None)
    assert isinstance(timing, Timing), timing
    return timing


def test_an_estimate_is_cycles_over_the_clock_and_misses_over_the_bandwidth(estimates: Estimates) -> None:
    """Of an add in place, whose second call would otherwise start from what the first has left."""
    work = Convolution(1, 16, 16, 8, 8, (1, 1), epilogue=Epilogue("relu", add=True, in_place=True))
    trial = _trial(work, 1)
    timing = _estimated(estimates, trial)
    (kernel,) = build_kernels(work, trial.occurrence.constants, trial.tile, machine_of(RPI4))
    step = step_of("kernel", kernel)
    arguments = arguments_of(step)
    cost = measure_kernel(
        kernel.function, arguments[:-1], RPI4, pipeline=NAME, outputs=2, caches=Caches(l1=32 << 10, l2=1 << 20)
    )
    cycles = cost.cycles["cortex-a72"] / 4
    weights = sum(array.nbytes for array in step.constants)
    assert cost.l2_miss_bytes < weights, "they are in the cache here; in a network they are not"
    assert timing.seconds == pytest.approx(cycles / 1.5e9 + weights / 4e9)
    assert timing.error <= 1e-5
    assert timing.default_seconds > 0


@pytest.mark.slow
def test_estimates_tune_a_network_repeat_and_are_called_so(
    estimates: Estimates, tiny_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, trials in (("one", 4), ("two", 2)):
        command = ["tune", str(tiny_onnx), "--target", "rpi4", "--model", "mca", "--db", str(tmp_path / name)]
        assert run([*command, "--trials", str(trials), "--json"]) == 0
        report = json.loads(capfd.readouterr().out)
        assert (report["method"], report["trials"]) == ("mca", trials)
    one, two = (read_records(tmp_path / name) for name in ("one", "two"))
    assert one[:2] == two
    assert all(record.is_estimate for record in one)
    bundle = rdpass.compile(tiny_onnx, "rpi4", tmp_path / "a", database=tmp_path / "one", show_progress=False)
    assert bundle.manifest.tuning.items() >= {"tuned": 2, "estimated": 2}.items()
    network = bundle.manifest.tuning["network"]
    assert network["method"] == "mca" or "no tile is known to be faster" in network["reason"]


def test_what_can_not_be_estimated_is_refused() -> None:
    for change, reason in (
        ({"dram_gbps": 0.0}, "bandwidth are not known"),
        ({"l1d_bytes": 0}, "caches"),
        ({"cpu": "cortex-x4"}, "no model of cortex-x4"),
    ):
        with pytest.raises(TargetError, match=reason):
            Estimates(replace(RPI4, **change))  # type: ignore[arg-type]


@pytest.mark.slow
def test_by_an_estimate_that_counts_the_network_with_these_very_tiles() -> None:
    rpi4 = find_target("rpi4")
    try:
        estimates = Estimates(rpi4)
        find_libraries(rpi4)
    except TargetError as error:
        pytest.skip(str(error))
    trial = network_trial(rpi4)
    timing = timing_of(estimates, trial)
    tuned, default = (measure_network(trial.network.source, rpi4, tuned=tiles) for tiles in (dict(trial.tiles), None))
    assert tuned.instructions != default.instructions
    ratio = tuned.est_cycles["cortex-a72"] / default.est_cycles["cortex-a72"]
    assert timing.seconds / timing.default_seconds == pytest.approx(ratio, rel=0.2)
