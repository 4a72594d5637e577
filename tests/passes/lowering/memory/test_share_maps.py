"""Concatenations and splits along channels: no change of layout, no copy where a map can lie inside another."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rdpass.deploy.bundle.building import compile
from rdpass.deploy.bundle.verification import verify
from rdpass.onnx.export import export_onnx
from rdpass.passes.lowering.read.fallbacks import find_fallbacks
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import classes_of, kinds_of, lower_checked

WIDTH = 16  # whole blocks of any vector


def test_a_split_whose_halves_are_convolved_and_joined_again_is_kernels_alone() -> None:
    net = Net((1, 3, 12, 12))
    x = net.relu(net.conv("x0", 3, 2 * WIDTH, 3, stride=2))
    x = net.relu(net.conv(x, 2 * WIDTH, 2 * WIDTH))
    first, second = net.split(x, WIDTH, WIDTH)
    third = net.relu(net.conv(second, WIDTH, WIDTH, 3))
    fourth = net.relu(net.conv(third, WIDTH, WIDTH, 3))
    x = net.relu(net.conv(net.node("Concat", first, second, third, fourth, axis=1), 4 * WIDTH, WIDTH, 3))
    lowered, called = lower_checked(net, classes_of(net, x, WIDTH))
    assert not {"concatenate", "split", "planar", "blocked"} & set(kinds_of(called))
    assert not find_fallbacks(lowered)


def test_a_dense_block_copies_nothing() -> None:
    net = Net((1, 3, 12, 12))
    maps = [net.relu(net.conv("x0", 3, WIDTH, 3, stride=2))]
    for count in range(1, 4):
        whole = net.node("Concat", *maps, axis=1) if count > 1 else maps[0]
        maps.append(net.relu(net.conv(whole, count * WIDTH, WIDTH, 3)))
    whole = net.node("Concat", *maps, axis=1)
    _, called = lower_checked(net, classes_of(net, whole, 4 * WIDTH))
    assert not {"concatenate", "planar", "blocked"} & set(kinds_of(called))


def test_a_dense_block_whose_layers_begin_with_their_norms_copies_nothing_either() -> None:
    """As DenseNet has them: the norm of a joined map has no layer before it to fold into; the one in between has."""
    net = Net((1, 3, 12, 12))
    maps = [net.relu(net.conv("x0", 3, WIDTH, 3, stride=2))]
    for count in range(1, 4):
        whole = net.node("Concat", *maps, axis=1) if count > 1 else maps[0]
        x = net.conv(net.relu(net.norm(whole, count * WIDTH)), count * WIDTH, 4 * WIDTH)
        maps.append(net.conv(net.relu(net.norm(x, 4 * WIDTH)), 4 * WIDTH, WIDTH, 3))
    whole = net.relu(net.norm(net.node("Concat", *maps, axis=1), 4 * WIDTH))
    lowered, called = lower_checked(net, classes_of(net, whole, 4 * WIDTH))
    assert not {"concatenate", "planar", "blocked"} & set(kinds_of(called))
    assert kinds_of(called).count("scale") == 4
    assert not find_fallbacks(lowered)


@pytest.mark.parametrize("batch", [1, 2])
def test_what_can_not_lie_inside_another_is_copied_by_a_kernel(batch: int) -> None:
    net = Net((batch, WIDTH, 7, 5))
    x = net.relu(net.conv("x0", WIDTH, WIDTH, 3))
    twice = net.relu(net.conv(net.node("Concat", x, x, axis=1), 2 * WIDTH, 2 * WIDTH, 3))
    first, second = net.split(twice, WIDTH, WIDTH)
    _, called = lower_checked(net, net.conv(net.node("Concat", second, first, axis=1), 2 * WIDTH, 4))
    kinds = Counter(kinds_of(called))
    assert kinds["concatenate"] == 2
    assert kinds["split"] == (batch > 1)  # halves that were exchanged can't both be where they were


def test_a_part_that_leaves_the_network_and_one_of_no_whole_block_keep_their_values() -> None:
    net = Net((1, WIDTH, 6, 6))
    x, narrow = net.relu(net.conv("x0", WIDTH, 2 * WIDTH)), net.relu(net.conv("x0", WIDTH, 6))
    first, second = net.split(x, WIDTH, WIDTH)
    odd, rest = net.split(x, 5, 2 * WIDTH - 5)
    joined = net.conv(net.node("Concat", first, narrow, second, axis=1), 2 * WIDTH + 6, 4)
    lower_checked(net, joined, first, net.relu(net.conv(rest, 2 * WIDTH - 5, 4)), odd)


def test_a_map_whose_half_is_written_over_keeps_its_value_for_its_own_readers() -> None:
    net = Net((1, WIDTH, 6, 6))
    x = net.relu(net.conv("x0", WIDTH, 2 * WIDTH, 3))
    first, second = net.split(x, WIDTH, WIDTH)
    over = net.relu(net.add(net.conv(second, WIDTH, WIDTH, 3), first))
    lower_checked(net, net.conv(net.add(net.conv(x, 2 * WIDTH, WIDTH, 3), over), WIDTH, 8))


class Neck(nn.Module):
    """A detector's block: half of the channels pass a bottleneck with a shortcut, and all come together again."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 2 * WIDTH, 3, 2, 1)
        self.a, self.b = nn.Conv2d(WIDTH, WIDTH, 1), nn.Conv2d(WIDTH, WIDTH, 3, 1, 1)
        self.out = nn.Conv2d(3 * WIDTH, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = torch.relu(self.stem(x)).chunk(2, 1)
        y = right + torch.relu(self.b(torch.relu(self.a(right))))
        out: Tensor = self.out(torch.cat([left, right, y], 1))
        return out


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["vm", "none"])
def test_bundles_of_either_kind_verify_where_maps_lie_inside_others(runtime: Any, tmp_path: Any) -> None:
    torch.manual_seed(0)
    onnx = export_onnx(Neck().eval(), (torch.randn(1, 3, 21, 17),), tmp_path / "neck.onnx")
    bundle = compile(onnx, target="rpi4", out=tmp_path / "neck.rdp", runtime=runtime)
    assert verify(bundle.folder).error <= 1e-5
    assert [fallback["function"] for fallback in bundle.manifest.fallbacks] == ["fused_planar"]
