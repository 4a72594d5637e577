"""How many positions a map has, whatever its layout, and how narrow the best path through a branch gets."""

import torch
from torch import nn
from torch.nn import functional as F

from rdpass.capture.trace import trace
from rdpass.passes.analysis.shortcuts.resolution import resolutions, widest_path
from tests.models import SqueezeExcite, seeded


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
    return traced.module, {node.name: count for node, count in resolutions(traced.module).items()}


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
    assert min(known[node] for node in branch if node in known) == 1
    product = next(node for node in branch if node.name == "mul")
    assert widest_path(nodes[1], branch[-1], branch, known) == (64, product)


def test_a_branch_that_samples_down_and_up_again_is_as_narrow_as_its_narrowest_map():
    down = nn.Sequential(nn.Conv2d(3, 3, 3, 2, 1), nn.MaxPool2d(2), nn.Upsample(scale_factor=4.0))
    graph_module, _ = positions_of(down, 1, 3, 8, 8)
    fork, *branch = list(graph_module.graph.nodes)[:-1]
    narrowest, node = widest_path(fork, branch[-1], branch, resolutions(graph_module))
    assert (narrowest, node) == (4, branch[1])
