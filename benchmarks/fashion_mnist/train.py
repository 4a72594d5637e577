"""Train a network of this folder on Fashion-MNIST and keep the last epoch's weights.

    python -m benchmarks.fashion_mnist.train --net resnet20 --epochs 12
    python -m benchmarks.fashion_mnist.train --net bottleneck20 --epochs 14 --subset --amp

Of the full set, 55 000 images are trained on and the last 5 000 of the training set validate. The subset that lies here
has 10 000 to train on and none to validate. Test images are looked at once, at the end.
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

from benchmarks.fashion_mnist import bottleneck20, resnet20
from benchmarks.fashion_mnist.data import Loader, full_set, loaders, normalise

NETS: dict[str, tuple[type[nn.Module], Path]] = {
    "resnet20": (resnet20.ResNet, resnet20.WEIGHTS),
    "bottleneck20": (bottleneck20.BottleneckResNet, bottleneck20.WEIGHTS),
}


def part(name: str, **options: object) -> Loader:
    images, labels = full_set(name)
    return Loader(normalise(images), torch.from_numpy(labels.astype("int64")), **options)  # type: ignore[arg-type]


def full() -> tuple[Loader, Loader, Loader]:
    """To train on, to validate with, to test."""
    return part("train", augment=True), part("validation", batch=500), part("test", batch=500)


def subset() -> tuple[Loader, None, Loader]:
    """The same of the images beside this file."""
    trained_on, held_out = loaders()
    return trained_on, None, held_out


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


def train(model: nn.Module, loader: Loader, validation: Loader | None, epochs: int, amp: bool = False) -> None:
    optimiser = torch.optim.SGD(parameter_groups(model), lr=0.1, momentum=0.9, nesterov=True)
    steps = epochs * len(loader)
    step = 0
    for epoch in range(epochs):
        model.train()
        total = torch.zeros(())
        for images, labels in loader:
            for group in optimiser.param_groups:
                group["lr"] = rate(step, steps, 0.1)
            with torch.autocast("cpu", torch.bfloat16, enabled=amp):
                logits = model(images.contiguous(memory_format=torch.channels_last))
            loss: Tensor = nn.functional.cross_entropy(logits.float(), labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += loss.detach()
            step += 1
        held = "" if validation is None else f"  validation {accuracy(model, validation):.2f} %"
        print(f"epoch {epoch + 1}/{epochs}  loss {total.item() / len(loader):.4f}{held}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", choices=NETS, default="resnet20")
    parser.add_argument("--subset", action="store_true", help="train on the images that lie here")
    parser.add_argument("--amp", action="store_true", help="forward passes in bfloat16")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="default: beside the network's own file")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    make, weights = NETS[options.net]
    model = make().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trained_on, validation, test = subset() if options.subset else full()
    train(model, trained_on, validation, options.epochs, options.amp)
    report = {
        "epochs": options.epochs,
        "seed": options.seed,
        **({} if validation is None else {"validation": round(accuracy(model, validation), 2)}),
        "test": round(accuracy(model, test), 2),
    }
    print(json.dumps(report))
    out = options.out or weights
    temporary = out.with_suffix(".tmp")
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, temporary, metadata={key: str(value) for key, value in report.items()})
    os.replace(temporary, out)


if __name__ == "__main__":
    main()
