"""Networks whose channels depend on each other in ways that people write."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rdpass.capture.trace import trace
from rdpass.core.plan import Traced
from tests.models import (
    DenseConcat,
    PartialSum,
    Residual,
    SqueezeExcite,
    basic_block,
    bottleneck,
    classifier,
    conv_bn,
    inverted_residual,
    seeded,
)

IMAGE = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Headed(nn.Module):
    """``body`` between a convolution to ``channels`` of them and a classifier of its ``out``."""

    def __init__(self, body: nn.Module, channels: int = 8, out: int = 8) -> None:
        super().__init__()
        self.stem, self.body, self.head = nn.Conv2d(3, channels, 3, 1, 1), body, nn.Linear(out, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(F.relu(self.stem(x))).mean((2, 3)))


class Twice(nn.Module):
    """One map joined with itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(16, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(torch.cat([x, x], 1))


class Shared(nn.Module):
    """One layer called twice, and a second one with the weights of it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.tied = nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.tied.weight = self.conv.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.tied(F.relu(self.conv(F.relu(self.conv(x)))))


class Gated(nn.Module):
    """Halves of one map, a product of both, and a slice of the result added to what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.back = nn.Conv2d(8, 12, 1), nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.wide(x).chunk(2, 1)
        y = self.back(value * gate.sigmoid())
        return torch.cat([y + x[:, 2:6], x[:, :2], x[:, 6:]], 1)


class Split(nn.Module):
    """Parts of uneven widths, one of them through a layer, as CSP stages have them."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.out = nn.Conv2d(3, 3, 1), nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        first, second = torch.split(x, [5, 3], dim=1)
        return self.out(torch.cat((self.inner(second) + second, first), 1))


class Viewed(nn.Module):
    """A gate with its sizes written into the code, and numbers per channel of the module's own."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(8, 4), nn.Linear(4, 8)
        self.gamma = nn.Parameter(torch.linspace(-1, 2, 8))
        self.register_buffer("mean", torch.randn(1, 8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.adaptive_avg_pool2d(x, 1).view(-1, 8)
        gate = self.up(F.relu(self.down(pooled))).sigmoid().reshape(1, 8, 1, 1)
        return (x - self.mean) * gate.expand(1, 8, 8, 8) * self.gamma.view(1, -1, 1, 1)


class Flattened(nn.Module):
    """A classifier that reads every position of every channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.hidden, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8 * 36, 10), nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.hidden(torch.flatten(self.conv(x), 1))))


class Shuffled(nn.Module):
    """Two units of ShuffleNet; the second has its sizes written into the code."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        x = torch.cat((left, self.first(right)), 1)
        batch, channels, height, width = x.shape
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, -1, height, width)
        left, right = x.chunk(2, 1)
        x = torch.cat((left, F.relu(self.second(right))), 1)
        return x.view(1, -1, 2, 8, 8).permute(0, 2, 1, 3, 4).reshape(1, 8, 8, 8)


class Transposed(nn.Module):
    """Up by three transposed convolutions: dense, depthwise and grouped."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.ConvTranspose2d(8, 8, 2, 2)
        self.depthwise = nn.ConvTranspose2d(8, 16, 2, 2, groups=8)
        self.grouped, self.out = nn.ConvTranspose2d(16, 12, 1, groups=2), nn.Conv2d(12, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.grouped(F.relu(self.depthwise(F.relu(self.dense(x)))))))


class ChannelsLast(nn.Module):
    """Linear layers over the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(8, 12), nn.Linear(12, 8)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(F.gelu(self.up(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)


class TwoHeads(nn.Module):
    """A map and logits: a stream that is an output, and a layer beside it that is none."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.side, self.head = nn.Conv2d(8, 12, 3, 1, 1), nn.Linear(12, 5)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.stem(x)
        return {"map": self.conv(x) + x, "logits": self.head(self.side(x).mean((2, 3)))}


class Spoken(nn.Module):
    """A network of one dimension, with an instance norm and a PReLU of one number a channel."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(2, 8, 3), nn.BatchNorm1d(8), nn.PReLU(8), nn.Conv1d(8, 8, 3, groups=8),
            nn.InstanceNorm1d(8, affine=True), nn.MaxPool1d(2), nn.Conv1d(8, 12, 3), nn.AdaptiveAvgPool1d(1),
            nn.Flatten(), nn.Linear(12, 5),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def resnext() -> nn.Module:
    """Many narrow groups, of which whole ones leave, and few wide ones, which all lose the same."""
    return classifier(bottleneck(8, 16, groups=8), bottleneck(8, 16, groups=2), channels=8)


def mixed() -> nn.Module:
    return classifier(
        basic_block(8, 8), inverted_residual(8, 12), Residual(nn.Sequential(*conv_bn(8, 8), SqueezeExcite(8))),
        DenseConcat(8),
    )  # fmt: skip


def traced(model: nn.Module, *inputs: Tensor) -> Traced:
    return trace(seeded(lambda: model), inputs or (IMAGE,))


PRUNABLE = {
    "mixed": mixed, "resnext": resnext,
    "partial sum": lambda: Headed(PartialSum(12), 4, 12),
    "joined twice": lambda: Headed(Twice()), "shared": lambda: Headed(Shared()), "gated": lambda: Headed(Gated()),
    "split": lambda: Headed(Split()), 
    "shuffled": lambda: Headed(Shuffled()), "viewed": lambda: Headed(Viewed()), "flattened": Flattened,
    "transposed": lambda: Headed(Transposed()), "channels last": lambda: Headed(ChannelsLast()), "two heads": TwoHeads,
}  # fmt: skip
"""Each with channels that can leave, and reads ``IMAGE``."""
