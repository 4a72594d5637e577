"""Small models, the hostile kind: batch norms with real statistics, odd sizes, in-place operations, shared layers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def seeded(build: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """``build()`` in eval mode with seeded weights and batch norms that have seen data."""
    torch.manual_seed(seed)
    model = build().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            if module.running_mean is not None:
                module.running_mean = torch.randn(module.num_features) * 0.3
                module.running_var = torch.rand(module.num_features) * 2 + 0.3
            if module.affine:
                nn.init.uniform_(module.weight, -1.5, 1.5)
                nn.init.normal_(module.bias, std=0.5)
    return model


def conv_bn(channels_in: int, channels: int, kernel: int = 3, stride: int = 1, **options: object) -> nn.Sequential:
    padding = kernel // 2
    conv = nn.Conv2d(channels_in, channels, kernel, stride, padding, bias=False, **options)  # type: ignore[arg-type]
    return nn.Sequential(conv, nn.BatchNorm2d(channels))


class Applied(nn.Module):
    """A function as a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Residual(nn.Module):
    """``after(body(x) + shortcut(x))``."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None, after: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.shortcut, self.after = body, shortcut, after

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x) + (x if self.shortcut is None else self.shortcut(x))
        return y if self.after is None else self.after(y)


def basic_block(channels_in: int, channels: int, stride: int = 1, after: bool = True) -> Residual:
    body = nn.Sequential(*conv_bn(channels_in, channels, stride=stride), nn.ReLU(), *conv_bn(channels, channels))
    projected = stride != 1 or channels_in != channels
    shortcut = conv_bn(channels_in, channels, 1, stride) if projected else None
    return Residual(body, shortcut, nn.ReLU() if after else None)


def bottleneck(channels: int, width: int, groups: int = 1, stride: int = 1, out: int | None = None) -> Residual:
    out = out or channels
    body = nn.Sequential(
        *conv_bn(channels, width, 1), nn.ReLU(), *conv_bn(width, width, 3, stride, groups=groups), nn.ReLU(),
        *conv_bn(width, out, 1),
    )  # fmt: skip
    projected = stride != 1 or out != channels
    return Residual(body, conv_bn(channels, out, 1, stride) if projected else None, nn.ReLU())


def inverted_residual(channels: int, wide: int, kernel: int = 3) -> Residual:
    """Linear at both ends, depthwise in the middle, so what the shortcut carries has either sign."""
    return Residual(nn.Sequential(
        *conv_bn(channels, wide, 1), nn.ReLU6(), *conv_bn(wide, wide, kernel, groups=wide), nn.ReLU6(),
        *conv_bn(wide, channels, 1),
    ))  # fmt: skip


def classifier(*blocks: nn.Module, channels_in: int = 3, channels: int = 8, classes: int = 5) -> nn.Sequential:
    """A stem, the blocks (ending with ``channels`` of them), global pooling and a linear layer."""
    first = next(m for block in blocks for m in block.modules() if isinstance(m, nn.Conv2d)).in_channels
    stem = nn.Sequential(*conv_bn(channels_in, first), nn.ReLU())
    return nn.Sequential(stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def small_resnet() -> nn.Module:
    return classifier(basic_block(4, 4), basic_block(4, 8, 2), basic_block(8, 8))


class PreActivation(nn.Module):
    """BN, ReLU, conv twice, and the identity added to what comes before the first BN; the ReLUs work in place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(F.relu(self.bn1(x), inplace=True))
        out = self.conv2(F.relu(self.bn2(out), inplace=True))
        out += x
        return out


class SharedInPlace(nn.Module):
    """One in-place ReLU called twice; what it overwrites the second time is read once more."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 3, 3, 1, 1), nn.Conv2d(3, 3, 3, 1, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.relu(x * 1.0))
        return self.conv2(self.relu(x)) + x


class OverwrittenFork(nn.Module):
    """An in-place ReLU overwrites the fork: the shortcut carries the rectified map, whatever the code looks like."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, 1, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = x * 1.0
        return self.conv(self.relu(x)) + x


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, gate: Callable[[], nn.Module] = nn.Sigmoid, norm: bool = False) -> None:
        super().__init__()
        self.down, self.up, self.gate = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1), gate()
        self.norm = nn.BatchNorm2d(2) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.up(F.relu(self.norm(self.down(x.mean((2, 3), keepdim=True))))))


class Scaled(nn.Module):
    """A product with one number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class LayerScale(nn.Module):
    """A product with a learnt number per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.linspace(-1, 2, channels).reshape(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.gamma * x


class PaddedChannels(nn.Module):
    """Every ``stride``-th position, with zero channels before and after (option A)."""

    def __init__(self, before: int, out: int, stride: int) -> None:
        super().__init__()
        self.before, self.out, self.stride = before, out, stride

    def forward(self, x: Tensor) -> Tensor:
        after = self.out - self.before - x.shape[1]
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, after))


class PartialSum(nn.Module):
    """The shortcut is added to the first four channels of a wider body (ReXNet)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*conv_bn(4, 9, 1), nn.ReLU6(), *conv_bn(9, channels))

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return torch.cat([y[:, 0:4] + x, y[:, 4:]], dim=1)


class DenseConcat(nn.Module):
    """What DenseNet does, with a layer behind it that brings the channels back."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.grow, self.shrink = nn.Conv2d(channels, 3, 3, 1, 1), nn.Conv2d(channels + 3, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.shrink(torch.cat([x, self.grow(x)], 1))


class Branches(nn.Module):
    """The sum of its branches, added up one after another."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        y = self.branches[0](x)
        for branch in self.branches[1:]:
            y = y + branch(x)
        return y


class UNet(nn.Module):
    """Down, across, up, and an add at the outer resolution: a fusion of scales, no shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.inner = nn.Conv2d(3, 3, 3, 2, 1), nn.Conv2d(3, 3, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.interpolate(self.inner(self.down(x)), scale_factor=2.0)


class PositionalEmbedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(1, 3, 8, 8))
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + self.position + 1.0


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, 1, 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.conv(x) + y


class SharedLayer(nn.Module):
    """One convolution and one batch norm called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(4, 4, 3, 1, 1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            x = torch.relu(self.bn(self.conv(x)) + x)
        return x


class ControlFlow(nn.Module):
    """Branches on its values: no tracer can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            return self.conv(x) + x
        return x


class ShapeFlow(nn.Module):
    """Branches on its shape: symbolic tracing fails, exporting does not."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 3, 3, 1, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] > 4:
            return torch.relu(self.bn(self.conv(x)).add_(x))
        return x


def small_resnet_of_four() -> nn.Module:
    return seeded(lambda: classifier(basic_block(4, 4), basic_block(4, 8, 2), classes=4))


class Cancelling(nn.Module):
    """(N, 6) to (N, 1): sums in which terms of a thousand cancel, so that float32 has about five digits of the result.

    ``backwards`` adds the same terms in the other order.
    """

    def __init__(self, large: float = 1e3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6))
        around = large * (1 + torch.rand(5))
        self.register_buffer("offsets", torch.cat([around, -around.sum()[None]]))

    def forward(self, x: Tensor) -> Tensor:
        return self._added([*range(6)], x)

    def backwards(self, x: Tensor) -> Tensor:
        return self._added([*range(5, -1, -1)], x)

    def _added(self, order: list[int], x: Tensor) -> Tensor:
        total = torch.zeros_like(x[:, :1])
        for index in order:
            total = total + x[:, index : index + 1] * self.weight[index] + self.offsets[index]
        return total


class Scores(nn.Module):
    """Maps of scores, a sigmoid of a convolution of ``body``'s maps, ``gain`` times as steep, less ``shift``."""

    def __init__(self, body: nn.Module, channels: int, gain: float) -> None:
        super().__init__()
        self.body, self.head, self.gain = body, nn.Conv2d(channels, 4, 1), gain
        self.register_buffer("shift", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(x))

    def logits(self, x: Tensor) -> Tensor:
        return self.gain * self.head(self.body(x)) - self.shift


def faint_detector(gain: float = 60.0) -> tuple[nn.Module, Tensor]:
    """A detector that sees nothing: scores of 1e-7 at most on the example that comes with it."""
    example = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    stem = nn.Sequential(*conv_bn(3, 16, stride=2), nn.ReLU())
    model = seeded(lambda: Scores(nn.Sequential(stem, basic_block(16, 16), basic_block(16, 16)), 16, gain))
    with torch.no_grad():
        model.shift += model.logits(example).max() + 16
    return model, example
