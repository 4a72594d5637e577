"""What a placement says, on a network that has one of each: where it reads, what it adds, how a pair comes apart."""

from __future__ import annotations

import numpy as np
import pytest

from rdpass.kernels.machine import machine_of
from rdpass.kernels.workload import Convolution, Elementwise, Epilogue, Head, PointwisePair, Pooling, Stem
from rdpass.passes.lowering.match.find_placements import find_placements
from rdpass.passes.lowering.match.placement import Placement
from rdpass.targets.lookup import host_target
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import classes_of, flow_of

WORK = Convolution(1, 8, 8, 4, 4, (1, 1), epilogue=Epilogue("relu"))


@pytest.fixture(scope="module")
def placements() -> dict[type, Placement]:
    """Of a stem, a pair behind a shortcut, a gated map and a head, by workload."""
    net = Net((1, 3, 21, 19))
    x = net.node("MaxPool", net.relu(net.conv("x0", 3, 16, 5, stride=2)), kernel_shape=[3, 3], strides=[2, 2])
    y = net.relu(net.add(net.conv(net.relu(net.conv(x, 16, 24)), 24, 16), x))
    gate = net.node("Sigmoid", net.conv(net.node("GlobalAveragePool", y), 16, 16))
    z = net.node("AveragePool", net.relu(net.node("Mul", y, gate)), kernel_shape=[2, 2])
    found = find_placements(flow_of(net, classes_of(net, z, 16)), machine_of(host_target()))
    return {type(placement.workload): placement for placement in found}


def test_no_root_is_its_own_source_and_none_lies_inside_itself(placements: dict[type, Placement]) -> None:
    assert placements.keys() == {Stem, PointwisePair, Convolution, Elementwise, Pooling, Head}
    for placement in placements.values():
        assert placement.root not in (placement.source, *placement.inside)
        assert len(set(placement.inside)) == len(placement.inside)


def test_a_map_is_added_where_the_epilogue_says_so_and_nowhere_else(placements: dict[type, Placement]) -> None:
    for placement in placements.values():
        assert (placement.other is not None) == placement.workload.epilogue.add
    assert placements[PointwisePair].other == placements[PointwisePair].source == placements[Stem].root


def test_a_gate_is_there_where_the_workload_has_one(placements: dict[type, Placement]) -> None:
    assert placements[Elementwise].workload.scale == "gate"
    assert placements[Elementwise].gate == placements[Convolution].root
    assert [kind for kind, placement in placements.items() if placement.gate is not None] == [Elementwise]


def test_a_pairs_parts_are_joined_by_the_map_between_them(placements: dict[type, Placement]) -> None:
    pair = placements[PointwisePair]
    first, second = pair.parts
    assert (first.source, second.source, second.root) == (pair.source, first.root, pair.root)
    assert first.root in pair.inside
    assert (first.workload, second.workload) == (pair.workload.first, pair.workload.second)
    for part, weights in zip(pair.parts, pair.constants[0], strict=True):
        assert np.array_equal(part.constants[0], weights)
    assert all(not placement.parts for kind, placement in placements.items() if kind is not PointwisePair)


def test_images_are_read_flat_classes_written_planar_and_all_between_lies_in_blocks(
    placements: dict[type, Placement],
) -> None:
    layouts = {kind: (placement.reads, placement.writes) for kind, placement in placements.items()}
    assert layouts == {**dict.fromkeys(placements, ("blocked", "blocked")), Stem: ("flat", "blocked"),
                       Head: ("blocked", "planar")}  # fmt: skip


def test_it_does_not_change_and_its_numbers_are_not_printed() -> None:
    placement = Placement("root", "source", WORK, (np.full(1000, 1.5),))
    assert "1.5" not in repr(placement)
    assert "root" in repr(placement)
    with pytest.raises(AttributeError):
        placement.root = "other"  # type: ignore[misc]
