"""Train the ResNet-20 of this folder on the full Fashion-MNIST and keep the last epoch's weights.

    python -m benchmarks.fashion_mnist.train --epochs 12 --seed 0

55 000 images are trained on, the last 5 000 of the training set validate, the test set is looked at once, at the end.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.fashion_mnist.data import Loader, full_set, normalise
from benchmarks.fashion_mnist.resnet20 import WEIGHTS, ResNet


def part(name: str, **options: object) -> Loader:
    images, labels = full_set(name)
    return Loader(normalise(images), torch.from_numpy(labels.astype("int64")), **options)  # type: ignore[arg-type]


@torch.no_grad()
def accuracy(model: nn.Module, loader: Loader) -> float:
    """Per cent of the images whose largest logit is the label's."""
    model.eval()
    right = sum(int((model(images).argmax(1) == labels).sum()) for images, labels in loader)
    return 100 * right / len(loader.images)


def rate(step: int, steps: int, peak: float) -> float:
    """Cosine from ``peak`` to zero after a linear warm-up over the first 5 % of the steps."""
    warm = min(1.0, (step + 1) / (0.05 * steps))
    return peak * warm * 0.5 * (1 + math.cos(math.pi * step / steps))


def parameter_groups(model: nn.Module) -> list[dict[str, object]]:
    """Weights with decay, normalisation and biases without."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": 5e-4}, {"params": free, "weight_decay": 0.0}]


def train(model: nn.Module, loader: Loader, validation: Loader, epochs: int) -> None:
    optimiser = torch.optim.SGD(parameter_groups(model), lr=0.1, momentum=0.9, nesterov=True)
    steps = epochs * len(loader)
    step = 0
    for epoch in range(epochs):
        model.train()
        total = torch.zeros(())
        for images, labels in loader:
            for group in optimiser.param_groups:
                group["lr"] = rate(step, steps, 0.1)
            logits = model(images.contiguous(memory_format=torch.channels_last))
            loss: Tensor = nn.functional.cross_entropy(logits, labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += loss.detach()
            step += 1
        held = accuracy(model, validation)
        print(f"epoch {epoch + 1}/{epochs}  loss {total.item() / len(loader):.4f}  validation {held:.2f} %", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    model = ResNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    validation = part("validation", batch=500)
    train(model, part("train", augment=True), validation, options.epochs)
    report = {
        "epochs": options.epochs,
        "seed": options.seed,
        "validation": round(accuracy(model, validation), 2),
        "test": round(accuracy(model, part("test", batch=500)), 2),
    }
    print(json.dumps(report))
    temporary = options.out.with_suffix(".tmp")
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, temporary, metadata={key: str(value) for key, value in report.items()})
    os.replace(temporary, options.out)


if __name__ == "__main__":
    main()
