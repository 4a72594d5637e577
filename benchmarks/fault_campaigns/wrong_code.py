"""What a user might name as a model, data, a loss or a metric, each with one thing wrong; ``network`` and ``fitting``
are right.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

Batches = list[Any]


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block, self.head = nn.Conv2d(3, 8, 3, padding=1), Block(), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Any:
        logits: Tensor = self.head(self.block(self.stem(x)).mean((2, 3)))
        return logits


def network() -> nn.Module:
    torch.manual_seed(0)
    return Network()


def _with(forward: Any) -> nn.Module:
    """A network that gives what ``forward`` makes of its logits and its input."""

    class Changed(Network):
        def forward(self, x: Tensor) -> Any:
            return forward(super().forward(x), x)

    return Changed()


def raising() -> nn.Module:
    raise RuntimeError("no weights here\nin two lines")


def nothing() -> None:
    return None


def a_dict() -> dict[str, int]:
    return {"weights": 1}


class Two(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


def of_two() -> nn.Module:
    return Two()


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise KeyError("inner")


def failing() -> nn.Module:
    return Failing()


def branching() -> nn.Module:
    return _with(lambda logits, x: logits + x.mean() if logits.sum() > 0 else logits)


def _filled(value: float) -> nn.Module:
    found = network()
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.fill_(value)
    return found


def not_finite() -> nn.Module:
    return _filled(float("nan"))


def of_zeros() -> nn.Module:
    return _filled(0.0)


def of_text() -> nn.Module:
    return _with(lambda logits, x: {"logits": logits, "name": "net"})


def of_integers() -> nn.Module:
    return _with(lambda logits, x: logits.argmax(1))


def of_no_tensor() -> nn.Module:
    return _with(lambda logits, x: None)


def in_place() -> nn.Module:
    return _with(lambda logits, x: logits + x.mul_(2).mean())


def random() -> nn.Module:
    return _with(lambda logits, x: logits + torch.rand_like(logits))


def identity() -> nn.Module:
    return nn.Identity()


def _images(rows: int = 4, channels: int = 3, height: int = 6, width: int = 5) -> Tensor:
    return torch.rand(rows, channels, height, width, generator=torch.Generator().manual_seed(rows))


LABELS = torch.tensor([0, 1, 2, 3])


def _both(images: Any, labels: Any = LABELS) -> tuple[Batches, Batches]:
    batches = [(images, labels)] * 3
    return batches, batches


def fitting() -> tuple[Batches, Batches]:
    return _both(_images())


def of_grey() -> tuple[Batches, Batches]:
    return _both(_images(channels=1))


def of_doubles() -> tuple[Batches, Batches]:
    return _both(_images().double())


def of_bytes() -> tuple[Batches, Batches]:
    return _both((255 * _images()).byte())


def of_halves() -> tuple[Batches, Batches]:
    return _both(_images().half())


def of_complex() -> tuple[Batches, Batches]:
    return _both(_images().to(torch.complex64))


def of_one_image() -> tuple[Batches, Batches]:
    return _both(_images()[0])


def of_no_pixel() -> tuple[Batches, Batches]:
    return _both(_images(height=0))


def of_meta() -> tuple[Batches, Batches]:
    return _both(_images().to("meta"))


def of_sparse() -> tuple[Batches, Batches]:
    return _both(_images().to_sparse())


def of_text_alone() -> Batches:
    return ["one", "two"]


def of_dicts() -> Batches:
    return [{"picture": _images(), "label": LABELS}]


def labels_out_of_range() -> tuple[Batches, Batches]:
    return _both(_images(), LABELS + 2)


def negative_labels() -> tuple[Batches, Batches]:
    return _both(_images(), LABELS - 3)


def float_labels() -> tuple[Batches, Batches]:
    return _both(_images(), LABELS.float())


def labels_too_few() -> tuple[Batches, Batches]:
    return _both(_images(), LABELS[:3])


def no_batch() -> tuple[Batches, Batches]:
    return [], []


def no_row() -> tuple[Batches, Batches]:
    return _both(_images(0), LABELS[:0])


def poisoned() -> tuple[Batches, Batches]:
    return _both(_images() * float("nan"))


def huge_numbers() -> tuple[Batches, Batches]:
    return _both(_images() * 1e30)


def another_size_later() -> Batches:
    return [(_images(), LABELS), (_images(channels=4), LABELS)]


class Torn:
    """Data that can't be read to the end."""

    def __len__(self) -> int:
        return 4

    def __iter__(self) -> Iterator[Any]:
        yield _images(), LABELS
        raise OSError("photograph_17.jpg is truncated")


def raising_later() -> tuple[Torn, Torn]:
    return Torn(), Torn()


def one_row() -> tuple[Batches, Batches]:
    return _both(_images(1), LABELS[:1])


def no_loader() -> int:
    return 3


def fails() -> Batches:
    raise ValueError("no data here")


def of_text_loss(outputs: Any, batch: Any) -> str:
    return "small"


def of_nothing_loss(outputs: Any, batch: Any) -> None:
    return None


def detached_loss(outputs: Tensor, batch: Any) -> Tensor:
    return outputs.detach().sum()


def of_text_metric(outputs: Any, targets: Any) -> str:
    return "good"


def of_nothing_metric(outputs: Any, targets: Any) -> None:
    return None
