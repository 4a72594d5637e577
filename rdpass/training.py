"""The training loop: a student learns from its frozen teacher's logits and, where there are some, from labels.

Loss = (1 - alpha) CE(student, labels) + alpha T^2 KL(teacher / T || student / T) (Hinton et al., arXiv 1503.02531).
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
from rdpass.progress import Progress, progress
from rdpass.recipes.recipe import Request

Record = dict[str, float]


def train_student(
    student: nn.Module, teacher: nn.Module, request: Request, on_faded: Callable[[float], None] = lambda faded: None
) -> list[Record]:
    """Train ``student`` in place and return a record per epoch.

    ``on_faded`` is told before each step how far the shortcuts have faded: 0 at the first step, 1 from ``config.fade``
    of all steps on.
    """
    assert request.train is not None
    config = request.config
    loop = _Loop(student, teacher, request.train, config, on_faded)
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
                record["accuracy"] = accuracy(student, request.validate, config.device)
            history.append(record)
            if request.checkpoint is not None:
                loop.save(request.checkpoint, history)
            shown.note(_line(record, config.epochs))
    student.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    teacher.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
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
    student: nn.Module
    teacher: nn.Module
    loader: Iterable[Any]
    config: DistillConfig
    on_faded: Callable[[float], None]

    def __post_init__(self) -> None:
        if not isinstance(self.loader, Sized) or len(self.loader) == 0:
            raise DivergedError("the training loader is empty, or has no length to plan the schedule with")
        # Channels last is what convolutions run fastest on, on CPUs as on GPUs; values do not depend on it.
        self.student.to(self.config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teacher.to(self.config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teacher.eval().requires_grad_(False)
        self.student.requires_grad_(True)  # the model it comes from may have been frozen
        self.optimiser = torch.optim.SGD(
            _parameter_groups(self.student, self.config.weight_decay),
            lr=self.config.lr, momentum=self.config.momentum, nesterov=self.config.momentum > 0,
        )  # fmt: skip
        self.total = self.config.epochs * len(self.loader)
        self.step = 0

    def run_epoch(self, shown: Progress) -> float:
        """The mean loss of one pass over the loader."""
        assert isinstance(self.loader, Sized)
        self.student.train()
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
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        self.on_faded(min(1.0, self.step / (self.config.fade * self.total)))
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.total, self.config)
        with torch.no_grad():
            wanted = self.teacher(inputs)
        if not isinstance(wanted, Tensor) or wanted.ndim < 2:
            raise ConfigError(
                f"training is for models that give one tensor of logits (N, classes, …); this one gave"
                f" {tuple(wanted.shape) if isinstance(wanted, Tensor) else type(wanted).__name__}"
            )
        loss = distillation_loss(self.student(inputs), wanted, labels, self.config)
        if not torch.isfinite(loss):
            raise DivergedError(f"the loss is {loss.item()} at step {self.step}, batch {index}; try a lower --lr")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.step += 1
        return loss.item()

    def save(self, path: Path, history: list[Record]) -> None:
        save_checkpoint(path, {
            "student": self.student.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "history": history,
            "config": self.config.model_dump(),
        })  # fmt: skip

    def restore(self, path: Path) -> list[Record]:
        state = load_checkpoint(path)
        if state["config"] != self.config.model_dump():
            raise ConfigError(f"{path} was written with other settings; resume with the same ones, or start anew")
        self.student.load_state_dict(state["student"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        history: list[Record] = state["history"]
        return history


def distillation_loss(student: Tensor, teacher: Tensor, labels: Tensor | None, config: DistillConfig) -> Tensor:
    """The loss above for logits of shape (N, classes, …); without labels, the teacher's part alone."""
    temperature = config.temperature
    learnt = nn.functional.kl_div(
        nn.functional.log_softmax(student / temperature, 1),
        nn.functional.log_softmax(teacher / temperature, 1),
        reduction="none",
        log_target=True,
    )
    distilled = temperature**2 * learnt.sum(1).mean()
    if labels is None:
        return distilled
    return (1 - config.alpha) * nn.functional.cross_entropy(student, labels) + config.alpha * distilled


def learning_rate(step: int, total: int, config: DistillConfig) -> float:
    """Linear from near zero over the first ``config.warmup`` of the steps, times a cosine from ``config.lr`` to 0."""
    warm = min(1.0, (step + 1) / max(1.0, config.warmup * total))
    return config.lr * warm * 0.5 * (1 + math.cos(math.pi * step / total))


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights of layers with decay; gains, biases and normalisation, all of one axis longer than 1, without."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for parameter in model.parameters():
        long_axes = sum(size > 1 for size in parameter.shape)
        (decayed if parameter.ndim > 1 and long_axes > 1 else free).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def _line(record: Record, epochs: int) -> str:
    held = f"  accuracy {record['accuracy']:.2f} %" if "accuracy" in record else ""
    return f"epoch {record['epoch']:.0f}/{epochs}  loss {record['loss']:.4f}{held}"
