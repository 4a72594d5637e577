"""Plans and drawings of models of every kind, for the tests of all that shows them."""

import pytest
import torch
from torch import nn

from rdpass.inspection import inspect
from tests.models import (
    PositionalEmbedding,
    PreActivation,
    Residual,
    SqueezeExcite,
    TwoInputs,
    UNet,
    basic_block,
    bottleneck,
    inverted_residual,
    seeded,
    small_resnet_of_four,
)
from tests.support import Untouched

RESNET, INPUT = "tests.inspected:resnet", ("--input", "1x3x16x16")
SVG = "{http://www.w3.org/2000/svg}"


def resnet():
    return small_resnet_of_four()


def plain():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())


def bottlenecks():
    return seeded(lambda: nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), bottleneck(8, 2), bottleneck(8, 2), bottleneck(8, 2)))


class Several(nn.Module):
    """Two inputs, three outputs, a nested region, an add that is none, a concat and an output halfway."""

    def __init__(self):
        super().__init__()
        self.stem, self.other = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(3, 4, 1)
        self.outer = Residual(nn.Sequential(basic_block(4, 4), nn.Conv2d(4, 4, 1)))
        self.gate = SqueezeExcite(4)
        self.position = nn.Parameter(torch.zeros(1, 4, 8, 8))

    def forward(self, x, y):
        a = self.stem(x) + self.position
        b = self.outer(a)
        return torch.cat([self.gate(b), self.other(y)], 1), b, a


CASES = {
    "resnet": (resnet, [(1, 3, 16, 16)]),
    "plain": (plain, [(1, 3, 8, 8)]),
    "bottlenecks": (bottlenecks, [(1, 3, 8, 8)]),
    "mobile": (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), inverted_residual(4, 12)), [(1, 3, 8, 8)]),
    "pre-activation": (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), PreActivation(4)), [(1, 3, 8, 8)]),
    "several": (Several, [(1, 3, 8, 8), (1, 3, 8, 8)]),
    "unet": (UNet, [(1, 3, 8, 8)]),
    "two inputs": (TwoInputs, [(2, 3, 8, 8), (2, 3, 8, 8)]),
    "constants": (PositionalEmbedding, [(1, 3, 8, 8)]),
    "one dimension": (lambda: Residual(nn.Conv1d(3, 3, 3, 1, 1)), [(1, 3, 9)]),
    "identity": (nn.Identity, [(1, 3)]),
}


@pytest.fixture(scope="module", params=CASES)
def inspected(request, tmp_path_factory):
    """A plan and its drawing, for every case; the model must not have been touched."""
    build, shapes = CASES[request.param]
    model = seeded(build)
    before = Untouched(model)
    path = tmp_path_factory.mktemp("svg") / "net.svg"
    found = inspect(model, [torch.randn(shape) for shape in shapes], target="rpi4", svg=path)
    before.check()
    return found, path.read_text(encoding="utf-8")
