"""Zero padding that is alike on both sides becomes the convolution's own."""

import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.passes.graph.absorb_padding import absorb_padding
from tests.models import seeded
from tests.passes.graph.kinds import kinds
from tests.support import error_between


def test_symmetric_zero_padding_moves_into_the_convolution_and_other_padding_stays():
    even = seeded(lambda: nn.Sequential(nn.ZeroPad2d((2, 2, 1, 1)), nn.Conv2d(3, 4, 3, padding=1)))
    odd = seeded(lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, 2)))
    filled = seeded(lambda: nn.Sequential(nn.ConstantPad2d(1, 0.5), nn.Conv2d(3, 4, 3)))
    for model, pads in ((even, 0), (odd, 1), (filled, 1)):
        absorbed = absorb_padding(trace(model, torch.randn(1, 3, 8, 8)).module)
        assert kinds(absorbed).count("pad") == pads
        assert error_between(absorbed, model, torch.randn(2, 3, 8, 8)) <= 1e-6
