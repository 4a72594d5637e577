"""A network with tiles of its own, and how its time is taken."""

from __future__ import annotations

from rdpass.database.record import selection_of
from rdpass.kernels.choice import rank_tiles
from rdpass.kernels.machine import machine_of
from rdpass.onnx.source import read_onnx
from rdpass.targets.lookup import Target
from rdpass.tuning.job import Timing
from rdpass.tuning.outcome import Measurer, allowed_error
from rdpass.tuning.task import NetworkTrial, read_network
from tests.onnx.nets import Net


def network_trial(target: Target) -> NetworkTrial:
    """Two outputs, and every tile another one than the default."""
    net = Net((1, 16, 12, 12))
    x = net.relu(net.conv("x0", 16, 16, 3))
    network = read_network(read_onnx(net.model(x, net.relu(net.conv(x, 16, 24)))), target)
    machine = machine_of(target)
    tiles = {found.workload: rank_tiles(found.workload, machine)[1].tile for found in network.workloads}
    assert len(tiles) == 2
    return NetworkTrial(network, selection_of(tiles), 3)


def timing_of(measurer: Measurer, trial: NetworkTrial) -> Timing:
    waiting = [trial]
    ((given, timing),) = measurer.measure(lambda: waiting.pop() if waiting else None, lambda: None)
    assert given is trial
    assert isinstance(timing, Timing), timing
    assert timing.error <= allowed_error(trial)
    assert min(timing.seconds, timing.default_seconds) > 0
    return timing
