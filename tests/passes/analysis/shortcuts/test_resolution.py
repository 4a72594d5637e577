"""How many positions a map has, whatever its layout, and how narrow the best path through a branch gets."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rdpass.capture.programs import export_program, unpack_program
from rdpass.capture.trace import trace
from rdpass.passes.analysis.shortcuts.resolution import positions, resolutions, widest_path
from rdpass.passes.graph.node_kinds import kind_of
from tests.models import Applied, SqueezeExcite, seeded


class Layouts(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, 2, 1)

    def forward(self, x):
        y = self.conv(x)
        last = y.permute(0, 2, 3, 1)
        normed = F.layer_norm(last, (6,))
        swapped = normed.transpose(1, 3)
        up = F.interpolate(y, scale_factor=2.0)
        tokens = y.flatten(2)
        return swapped.relu(), up, tokens, y.mean((2, 3), keepdim=True)


def positions_of(model, *shape):
    traced = trace(seeded(lambda: model), torch.randn(shape))
    return traced.module, {node.name: positions(sizes) for node, sizes in resolutions(traced.module).items()}


def test_axes_follow_permutations_and_are_lost_where_a_shape_is_made_anew():
    _, found = positions_of(Layouts(), 1, 3, 8, 10)
    assert (found["x"], found["conv"]) == (80, 20)
    assert found["permute"] == found["layer_norm"] == found["transpose"] == found["relu"] == 20
    assert (found["interpolate"], found["mean"]) == (80, 1)
    assert "flatten" not in found


def test_maps_of_one_and_three_axes_have_positions_and_vectors_have_none():
    _, line = positions_of(nn.Sequential(nn.Conv1d(3, 4, 3)), 1, 3, 9)
    assert line["_0"] == 7
    _, space = positions_of(nn.Sequential(nn.Conv3d(3, 4, 3, 1, 1), nn.Flatten(), nn.Linear(4 * 64, 2)), 1, 3, 4, 4, 4)
    assert space["_0"] == 64
    assert "_2" not in space


def test_a_gate_goes_below_any_resolution_and_the_map_that_it_multiplies_stays():
    graph_module, _ = positions_of(nn.Sequential(nn.Conv2d(3, 4, 1), SqueezeExcite(4), nn.ReLU()), 1, 3, 8, 8)
    nodes = list(graph_module.graph.nodes)
    branch, known = nodes[2:-1], resolutions(graph_module)
    assert min(positions(known[node]) for node in branch if node in known) == 1
    product = next(node for node in branch if node.name == "mul")
    assert widest_path(graph_module, nodes[1], branch[-1], branch, known) == (64, product)


def test_a_branch_that_samples_down_and_up_again_is_as_narrow_as_its_narrowest_map():
    down = nn.Sequential(nn.Conv2d(3, 3, 3, 2, 1), nn.MaxPool2d(2), nn.Upsample(scale_factor=4.0))
    graph_module, _ = positions_of(down, 1, 3, 8, 8)
    fork, *branch = list(graph_module.graph.nodes)[:-1]
    narrowest, node = widest_path(graph_module, fork, branch[-1], branch, resolutions(graph_module))
    assert (narrowest, node) == (4, branch[1])


def applied(*functions):
    """The functions one after another, behind a layer."""
    return nn.Sequential(nn.Conv2d(3, 3, 1), *(f if isinstance(f, nn.Module) else Applied(f) for f in functions))


class Named(nn.Module):
    """Layers whose names are those of functions."""

    def __init__(self):
        super().__init__()
        self.first, self.t, self.mean = nn.Conv2d(3, 3, 1), nn.ReLU(), nn.AvgPool2d(3, 1)

    def forward(self, x):
        return self.mean(self.t(self.first(x)))


# what lies between a fork of 15 x 15 and the end of the branch, and the positions that it keeps by scale
SCALES = {
    "no padding": (applied(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 5)), 15 * 15),
    "no padding, a stride": (applied(nn.Conv2d(3, 3, 3, 2)), 8 * 8),
    "no padding at a stride, then a pad": (applied(nn.Conv2d(3, 3, 3, 2), nn.ZeroPad2d((0, 1, 0, 1))), 8 * 8),
    "a stride along one axis": (applied(nn.Conv2d(3, 3, (3, 1), (2, 1))), 8 * 15),
    "a pool's window": (applied(nn.MaxPool2d(2)), 8 * 8),
    "a pool's window, as a function": (applied(lambda x: F.max_pool2d(x, 3, 2)), 8 * 8),
    "a pool that says where": (applied(lambda x: F.max_pool2d(x, 2, return_indices=True)[0]), 8 * 8),
    "a crop": (applied(lambda x: x[:, :, 1:-1, :13]), 15 * 15),
    "a part of the channels": (applied(lambda x: torch.chunk(x, 3, 1)[0]), 15 * 15),
    "a slice with steps": (applied(lambda x: x[..., ::2, ::2]), 8 * 8),
    "a crop, then a layer of another layout": (
        applied(lambda x: x[:, :, 2:].permute(0, 2, 3, 1), nn.LayerNorm(3), lambda x: x.transpose(1, 3)), 15 * 15
    ),
    "down and up": (applied(nn.Conv2d(3, 3, 2, 2), nn.ConvTranspose2d(3, 3, 2, 2), nn.ZeroPad2d((0, 1, 0, 1))), 8 * 8),
    "an adaptive pool": (applied(nn.AdaptiveAvgPool2d(5)), 5 * 5),
    "the mean": (applied(lambda x: x.mean((2, 3), keepdim=True)), 1),
    "a smaller size": (applied(lambda x: F.interpolate(x, size=(5, 5))), 5 * 5),
    "layers called 't' and 'mean'": (Named(), 15 * 15),
}  # fmt: skip


@pytest.mark.parametrize("exported", [False, True])
@pytest.mark.parametrize(("model", "kept"), SCALES.values(), ids=SCALES)
def test_what_samples_makes_a_branch_narrow_and_what_lacks_padding_does_not(model, kept, exported):
    x = torch.randn(1, 3, 15, 15)
    graph_module = trace(unpack_program(export_program(model.eval(), (x,))) if exported else model, x).module
    nodes = list(graph_module.graph.nodes)
    fork = next(node for node in nodes if kind_of(node) == "conv")
    branch = nodes[nodes.index(fork) + 1 : -1]
    sizes = resolutions(graph_module)
    assert widest_path(graph_module, fork, branch[-1], branch, sizes)[0] == kept


def test_what_was_cropped_before_the_fork_is_not_counted_within_the_branch():
    graph_module, _ = positions_of(applied(nn.Conv2d(3, 3, 5), nn.Conv2d(3, 3, 3, 2)), 1, 3, 15, 15)
    fork, *branch = list(graph_module.graph.nodes)[2:-1]
    assert widest_path(graph_module, fork, branch[-1], branch, resolutions(graph_module))[0] == 6 * 6
