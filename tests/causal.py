"""Causal convolutions of one dimension, in every form in which people write them, and a network of such blocks."""

from torch import nn
from torch.nn import functional as F

from tests.models import Residual


class PaddedBefore(nn.Module):
    def __init__(self, before, after, dilation=1, groups=1):
        super().__init__()
        self.reach = 2 * dilation
        self.conv = nn.Conv1d(before, after, 3, dilation=dilation, groups=groups)
        self.norm = nn.BatchNorm1d(after)

    def forward(self, x):
        return self.norm(self.conv(F.pad(x, (self.reach, 0))))


class PaddedByAModule(PaddedBefore):
    def forward(self, x):
        return self.norm(self.conv(nn.ConstantPad1d((self.reach, 0), 0.0)(x)))


class CutOff(PaddedBefore):
    """As temporal convolutional networks have it (arXiv 1803.01271): padded on both sides, the end cut off."""

    def __init__(self, before, after, dilation=1, groups=1):
        super().__init__(before, after, dilation, groups)
        self.conv = nn.Conv1d(before, after, 3, padding=self.reach, dilation=dilation, groups=groups)

    def forward(self, x):
        return self.norm(self.conv(x)[..., : -self.reach].contiguous())


class CutOffLate(CutOff):
    def forward(self, x):
        return self.norm(self.conv(x))[:, :, : -self.reach]


FORMS = [PaddedBefore, PaddedByAModule, CutOff, CutOffLate]


def causal_network(form, groups=1):
    blocks = [
        Residual(nn.Sequential(form(6, 6, d, groups), nn.ReLU(), form(6, 6, d)), after=nn.ReLU()) for d in (1, 2, 4)
    ]
    return nn.Sequential(nn.Conv1d(3, 6, 1), nn.ReLU(), *blocks, nn.Conv1d(6, 4, 1))
