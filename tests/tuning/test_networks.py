"""A whole network is timed with some tiles beside itself without: here, on a board, and by an estimate."""

from __future__ import annotations

from pathlib import Path

import pytest

from rdpass.core.errors import TargetError
from rdpass.database.record import selection_of
from rdpass.deploy.bundle.runtime_libraries import find_libraries
from rdpass.kernels.choice import rank_tiles
from rdpass.kernels.machine import machine_of
from rdpass.onnx.source import read_onnx
from rdpass.profiling.emulation.network import measure_network
from rdpass.targets.lookup import Target, find_target, host_target
from rdpass.tuning.devices import Devices
from rdpass.tuning.estimates import Estimates
from rdpass.tuning.job import Timing
from rdpass.tuning.outcome import TOLERANCE, Measurer
from rdpass.tuning.task import NetworkTrial, read_network
from tests.onnx.nets import Net

from .fleet import Fleet

HERE = host_target()


def _trial(target: Target) -> NetworkTrial:
    """Two outputs, and every tile another one than the default."""
    net = Net((1, 16, 12, 12))
    x = net.relu(net.conv("x0", 16, 16, 3))
    network = read_network(read_onnx(net.model(x, net.relu(net.conv(x, 16, 24)))), target)
    machine = machine_of(target)
    tiles = {found.workload: rank_tiles(found.workload, machine)[1].tile for found in network.workloads}
    assert len(tiles) == 2
    return NetworkTrial(network, selection_of(tiles), 3)


def _timing(measurer: Measurer, trial: NetworkTrial) -> Timing:
    waiting = [trial]
    ((given, timing),) = measurer.measure(lambda: waiting.pop() if waiting else None, lambda: None)
    assert given is trial
    assert isinstance(timing, Timing), timing
    assert timing.error <= TOLERANCE
    assert min(timing.seconds, timing.default_seconds) > 0
    return timing


def test_on_this_host(tmp_path: Path) -> None:
    timing = _timing(Devices(HERE, None, None, tmp_path), _trial(HERE))
    assert timing.repeats >= 9
    assert [path.name for path in tmp_path.glob("*.so")] == ["variant_1.so"], "the default one is kept for the next"


@pytest.mark.slow
def test_on_a_board(fleet: Fleet, tmp_path: Path) -> None:
    fleet.add()
    assert _timing(Devices(HERE, fleet.tracker, None, tmp_path), _trial(HERE)).repeats >= 9


@pytest.mark.slow
def test_by_an_estimate_that_counts_the_network_with_these_very_tiles() -> None:
    rpi4 = find_target("rpi4")
    try:
        estimates = Estimates(rpi4)
        find_libraries(rpi4)
    except TargetError as error:
        pytest.skip(str(error))
    trial = _trial(rpi4)
    timing = _timing(estimates, trial)
    tuned, default = (measure_network(trial.network.source, rpi4, tuned=tiles) for tiles in (dict(trial.tiles), None))
    assert tuned.instructions != default.instructions
    ratio = tuned.est_cycles["cortex-a72"] / default.est_cycles["cortex-a72"]
    assert timing.seconds / timing.default_seconds == pytest.approx(ratio, rel=0.2)
