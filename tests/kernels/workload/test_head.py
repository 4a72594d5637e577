"""Means and dense layers: how many numbers the layer reads, and what both cost."""

import pytest

from rdpass.kernels.workload import Head


@pytest.mark.parametrize(
    ("head", "depth", "operations"),
    [
        (Head(2, 10, 21, 37), 10, 2 * (2 * 10 * 37 + 210)),
        (Head(3, 10, 21, 0), 10, 3 * 210),
        (Head(1, 10, 21, 37, averages=False), 210, 2 * 210 * 37),
        (Head(1, 10, 1, 37), 10, 2 * 10 * 37 + 10),
    ],
)
def test_a_layer_reads_the_means_or_every_pixel(head, depth, operations):
    assert (head.depth, head.operations) == (depth, operations)


def test_it_is_described_by_what_it_reads_and_writes():
    assert Head(2, 10, 21, 37).describe() == "head 10-37"
