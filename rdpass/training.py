"""The training loop: it minimises the sum of the terms that an ``Objective`` gives, and knows no recipe.

SGD with Nesterov momentum, learning rate from a linear warm-up into a cosine to zero, no weight decay on
normalisation, biases and gains. The last step's weights are the result: nothing is picked by looking at the
validation data.

The state is saved after every epoch; a run that goes on from there takes the same steps as one never interrupted, as
long as its loader draws from torch's or Python's global generators.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rdpass.checkpoint import load_checkpoint, save_checkpoint
from rdpass.config import DistillConfig
from rdpass.errors import ConfigError, DivergedError
from rdpass.memory_layout import training_layout
from rdpass.objective import Batch, Objective
from rdpass.progress import Progress, progress
from rdpass.recipes.recipe import Request

Record = dict[str, float]


def train(objective: Objective, request: Request) -> list[Record]:
    """Train ``objective.student`` in place and return a record per epoch."""
    assert request.train is not None
    config = request.config
    loop = _Loop(objective, request.train, config)
    history: list[Record] = []
    if request.checkpoint is not None and request.resume and request.checkpoint.exists():
        history = loop.restore(request.checkpoint)
    else:
        torch.manual_seed(config.seed)
        random.seed(config.seed)
    with progress("distil", loop.total, request.show_progress) as shown:
        for epoch in range(len(history), config.epochs):
            record = {"epoch": epoch + 1.0, "loss": loop.run_epoch(shown)}
            if request.validate is not None:
                record["accuracy"] = accuracy(objective.student, request.validate, config.device)
            history.append(record)
            if request.checkpoint is not None:
                loop.save(request.checkpoint, history)
            shown.note(_line(record, config.epochs))
    objective.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return history


@torch.no_grad()
def accuracy(model: Callable[[Tensor], Tensor], loader: Iterable[Any], device: str = "cpu") -> float:
    """Per cent of a loader's labels that are the largest logit's index; a module is put into eval mode for it.

    Raises:
        DivergedError: the loader is empty or has no labels.
    """
    if isinstance(model, nn.Module):
        model.eval()
    right = seen = 0
    for index, batch in enumerate(loader):
        inputs, labels = unpack(batch, index, device)
        if labels is None:
            raise DivergedError(f"validation batch {index} has no labels to compare with")
        right += int((model(inputs).argmax(1) == labels).sum())
        seen += labels.numel()
    if not seen:
        raise DivergedError("the validation loader gave no batch")
    return 100.0 * right / seen


def unpack(batch: Any, index: int, device: str = "cpu") -> tuple[Tensor, Tensor | None]:
    """Inputs and labels of a batch, on ``device``.

    Raises:
        DivergedError: it is neither a tensor nor an (inputs, labels) pair, or its inputs are not finite.
    """
    inputs, labels = (batch, None) if isinstance(batch, Tensor) else (*batch, None)[:2]
    if not isinstance(inputs, Tensor) or not (labels is None or isinstance(labels, Tensor)):
        raise DivergedError(f"batch {index} is not (inputs, labels): got {type(batch).__name__}")
    if inputs.is_floating_point() and not torch.isfinite(inputs).all():
        raise DivergedError(f"batch {index} holds inputs that are not finite")
    return inputs.to(device), None if labels is None else labels.to(device)


@dataclass
class _Loop:
    objective: Objective
    loader: Iterable[Any]
    config: DistillConfig

    def __post_init__(self) -> None:
        if not isinstance(self.loader, Sized) or len(self.loader) == 0:
            raise DivergedError("the training loader is empty, or has no length to plan the schedule with")
        self.layout = training_layout(self.objective, self.config.device)
        self.objective.to(self.config.device, memory_format=self.layout)  # type: ignore[call-overload]
        self.optimiser = torch.optim.SGD(
            _parameter_groups(self.objective, self.config.weight_decay),
            lr=self.config.lr, momentum=self.config.momentum, nesterov=self.config.momentum > 0,
        )  # fmt: skip
        self.total = self.config.epochs * len(self.loader)
        self.step = 0

    def run_epoch(self, shown: Progress) -> float:
        """The mean loss of one pass over the loader."""
        assert isinstance(self.loader, Sized)
        self.objective.train()
        total, count = 0.0, 0
        for index, batch in enumerate(self.loader):
            total += self._take_step(batch, index)
            count += 1
            shown.step(self.step, f"loss {total / count:.4f}")
        if count != len(self.loader):
            raise DivergedError(f"the training loader gave {count} batches where its length says {len(self.loader)}")
        return total / count

    def _take_step(self, batch: Any, index: int) -> float:
        inputs, labels = unpack(batch, index, self.config.device)
        if inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=self.layout)
        self.objective.set_progress(self.step / self.total)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.total, self.config)
        terms = self.objective(Batch((inputs,), labels))
        loss: Tensor = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise DivergedError(f"the loss is {loss.item()} at step {self.step}, batch {index}; try a lower --lr")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.step += 1
        return loss.item()

    def save(self, path: Path, history: list[Record]) -> None:
        save_checkpoint(path, {
            "student": self.objective.student.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "history": history,
            "config": self.config.model_dump(),
        })  # fmt: skip

    def restore(self, path: Path) -> list[Record]:
        state = load_checkpoint(path)
        if state["config"] != self.config.model_dump():
            raise ConfigError(f"{path} was written with other settings; resume with the same ones, or start anew")
        self.objective.student.load_state_dict(state["student"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        history: list[Record] = state["history"]
        return history


def learning_rate(step: int, total: int, config: DistillConfig) -> float:
    """Linear from near zero over the first ``config.warmup`` of the steps, times a cosine from ``config.lr`` to 0."""
    warm = min(1.0, (step + 1) / max(1.0, config.warmup * total))
    return config.lr * warm * 0.5 * (1 + math.cos(math.pi * step / total))


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights of layers with decay; gains, biases and normalisation, all of one axis longer than 1, without."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for parameter in filter(lambda parameter: parameter.requires_grad, model.parameters()):
        long_axes = sum(size > 1 for size in parameter.shape)
        (decayed if parameter.ndim > 1 and long_axes > 1 else free).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def _line(record: Record, epochs: int) -> str:
    held = f"  accuracy {record['accuracy']:.2f} %" if "accuracy" in record else ""
    return f"epoch {record['epoch']:.0f}/{epochs}  loss {record['loss']:.4f}{held}"
