"""IResNet, for face recognition (Duta et al., arXiv 2004.04989): PReLU inside the block, nothing after the add."""

from __future__ import annotations

from torch import Tensor, nn


class IBasicBlock(nn.Module):
    """bn, conv, bn, prelu, strided conv, bn, beside an identity or a projection."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels_in),
            nn.Conv2d(channels_in, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels_in, H, W) to (N, channels, ⌈H / stride⌉, ⌈W / stride⌉)."""
        return self.body(x) + self.shortcut(x)  # type: ignore[no-any-return]


def iresnet(blocks: tuple[int, ...] = (2, 2, 2, 2), embedding: int = 512) -> nn.Sequential:
    """For faces of 112 x 112 pixels; (2, 2, 2, 2) is IResNet-18."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)]
    before = 64
    for channels, count in zip((64, 128, 256, 512), blocks, strict=True):
        for index in range(count):
            layers.append(IBasicBlock(before, channels, 2 if index == 0 else 1))
            before = channels
    head = [nn.BatchNorm2d(before), nn.Flatten(), nn.Linear(before * 7 * 7, embedding), nn.BatchNorm1d(embedding)]
    return nn.Sequential(*layers, *head)
