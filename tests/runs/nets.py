"""Networks of two residual blocks each that were hard to save, by what makes them so."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import _pytree

from tests.models import SharedLayer, basic_block, classifier

Pair = namedtuple("Pair", "logits maps")


@dataclass
class Output:
    """As a package registers it: no name to be saved under."""

    logits: Tensor
    maps: Tensor | None = None


torch.export.register_dataclass(Output)


class ModelOutput(dict[str, Any]):
    """As Hugging Face's: a mapping with attributes, registered under its own name."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


_pytree.register_pytree_node(
    ModelOutput,
    lambda output: (list(output.values()), list(output)),
    lambda values, names: ModelOutput(zip(names, values, strict=True)),
    serialized_type_name="a_package.ModelOutput",
)


class Giving(nn.Module):
    """Gives logits and maps in the form that ``form`` puts them into."""

    def __init__(self, form: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.form, self.stem = form, nn.Conv2d(3, 4, 3, 1, 1)
        self.blocks, self.head = nn.Sequential(basic_block(4, 4), basic_block(4, 4)), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        maps = self.blocks(self.stem(x))
        return self.form(self.head(maps.mean((2, 3))), maps)


class EvenOnly(nn.Module):
    """Looks at its input's size in a module with weights: only ``torch.export`` follows."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.first, self.net = nn.Conv2d(3, 3, 1), net

    def forward(self, x: Tensor) -> Any:
        if x.shape[-1] % 2:
            raise ValueError("an even size is needed")
        return self.net(self.first(x))


class TwoScales(nn.Module):
    """One head on two maps, as detectors have it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 4, 3, 1, 1), basic_block(4, 4)
        self.down, self.head = (
            basic_block(4, 4, 2),
            nn.Sequential(nn.Conv2d(4, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 2, 1)),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        wide = self.block(self.stem(x))
        return [self.head(wide), self.head(self.down(wide))]


class Recurrent(nn.Module):
    """One block twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block, self.head = nn.Conv2d(3, 4, 3, 1, 1), basic_block(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.block(self.stem(x))).mean((2, 3)))


def tied() -> nn.Module:
    net = classifier(basic_block(4, 4), basic_block(4, 4), channels=4)
    net[2].body[0].weight = net[1].body[0].weight
    return net


class Standardised(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        deviation, mean = torch.std_mean(self.weight, dim=[1, 2, 3], keepdim=True)
        weight = (self.weight - mean) / (deviation + 1e-5)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


def standardised() -> nn.Module:
    block = basic_block(4, 4)
    block.body[0] = Standardised(4, 4, 3, 1, 1)
    return nn.Sequential(Standardised(3, 4, 3), block, basic_block(4, 4), Standardised(4, 4, 1))


def parametrised() -> nn.Module:
    net = classifier(basic_block(4, 4), basic_block(4, 4), channels=4)
    nn.utils.parametrizations.weight_norm(net[0][0])
    nn.utils.parametrizations.spectral_norm(net[1].body[0])
    return net


class OwnWeights(Giving):
    """A layer's weight, a scale and a view of it that are the network's own, and constants in its code."""

    def __init__(self) -> None:
        super().__init__(lambda logits, maps: logits)
        self.weight = nn.Parameter(torch.randn(4, 4, 1, 1))
        self.register_buffer("scale", torch.rand(3, 1, 1), persistent=False)
        self.register_buffer("order", torch.tensor([2, 0, 1]))

    def forward(self, x: Tensor) -> Tensor:
        x = (x[:, self.order] - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) * self.scale
        maps = F.conv2d(self.blocks(self.stem(x + torch.arange(x.shape[-1]))), self.weight)
        return self.head(maps.mean((2, 3)))


class Resizing(Giving):
    def __init__(self) -> None:
        super().__init__(lambda logits, maps: F.interpolate(maps, size=(9, 7), mode="bicubic"))
        self.up = nn.Upsample(scale_factor=1.5, mode="bilinear", align_corners=True)

    def forward(self, x: Tensor) -> Any:
        return super().forward(self.up(F.interpolate(x, scale_factor=2.0)))


def without_statistics() -> nn.Module:
    net = classifier(basic_block(4, 4), basic_block(4, 4), channels=4)
    net[0][1] = nn.BatchNorm2d(4, track_running_stats=False)
    net[3] = nn.Sequential(nn.BatchNorm2d(4, affine=False, track_running_stats=False), nn.AdaptiveAvgPool2d(1))
    return net


HARD_TO_SAVE: dict[str, Callable[[], nn.Module]] = {
    "a list": lambda: Giving(lambda logits, maps: [logits, maps]),
    "a dict": lambda: Giving(lambda logits, maps: {"logits": logits, "maps": [maps, {"twice": 2 * maps}]}),
    "numbered": lambda: Giving(lambda logits, maps: {0: logits, 1: maps}),
    "a named tuple": lambda: Giving(Pair),
    "a registered dataclass": lambda: Giving(Output),
    "a registered dataclass, None in it": lambda: Giving(lambda logits, maps: Output(logits)),
    "a model's output": lambda: Giving(lambda logits, maps: ModelOutput(logits=logits, maps=(maps, 2 * maps))),
    "exported, a list": lambda: EvenOnly(Giving(lambda logits, maps: [logits, maps])),
    "exported, a model's output": lambda: EvenOnly(Giving(lambda logits, maps: ModelOutput(logits=logits, maps=maps))),
    "the input and a tensor twice": lambda: Giving(lambda logits, maps: (logits, maps, logits, None)),
    "a head on two scales": TwoScales,
    "exported, a head on two scales": lambda: EvenOnly(TwoScales()),
    "one block twice": Recurrent,
    "exported, one block twice": lambda: EvenOnly(Recurrent()),
    "a layer twice": lambda: classifier(SharedLayer(), channels_in=3, channels=4),
    "tied weights": tied,
    "exported, tied weights": lambda: EvenOnly(tied()),
    "standardised weights": standardised,
    "parametrised weights": parametrised,
    "tensors of its own": OwnWeights,
    "resized": Resizing,
    "no running statistics": without_statistics,
}
"""By name: what makes it hard."""
