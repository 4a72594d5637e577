"""Losses of a student's outputs: the task's own, and the distance to its teacher's outputs.

    total = (1 - alpha) loss(student, batch) + alpha distance(student, teacher)

For logits (N, classes, ...), the default, this is Hinton's distillation (arXiv 1503.02531): cross-entropy with the
labels, and T^2 KL(teacher / T || student / T), both averaged over rows and positions. Without targets the teacher's
part stands alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rdpass.capture.torchvision_import import beside_torchvision
from rdpass.core.errors import ConfigError, RdpassError, first_line
from rdpass.core.named_code import find_named, names_code, users_line
from rdpass.core.registry import Registry, a_callable
from rdpass.core.tensors import tensors_in, type_names
from rdpass.training.config import DistillConfig
from rdpass.training.objective import Batch, Distance, Loss

IGNORED = -100
"""The class index that cross-entropy leaves out, as torch has it."""

REMEDY = "pass loss(outputs, batch) to say what is learnt: --loss pkg.mod:fn, or loss=fn in Python"
_SUMS_TO_ONE = 1e-3

Function = TypeVar("Function", bound=Callable[..., Tensor])


@dataclass(frozen=True)
class Criteria:
    """A task's loss and distance, and the weight ``alpha`` between them.

    ``loss`` None: cross-entropy with integer labels. ``distance`` None: tempered KL divergence of logits, or, beside a
    loss of the user's own, ``relative_distance`` of whatever the outputs are.
    """

    config: DistillConfig
    loss: Loss | None = None
    distance: Distance | None = None

    def terms(self, outputs: Any, wanted: Any, batch: Batch) -> dict[str, Tensor]:
        """``task`` and ``teacher``, weighted; ``teacher`` alone where there is nothing but the teacher to learn from.

        Raises:
            ConfigError: the outputs are not logits, and it was not said how to measure them.
        """
        alpha = self.config.alpha
        distance = self.distance_of(outputs, wanted)
        if self.loss is None and batch.targets is None:
            return {"teacher": distance}
        return {"task": (1 - alpha) * self.loss_of(outputs, batch), "teacher": alpha * distance}

    def loss_of(self, outputs: Any, batch: Batch) -> Tensor:
        """The task's loss, unweighted; for logits the cross-entropy with ``batch.targets``, (N, ...) class indices."""
        if self.loss is None:
            return cross_entropy(outputs, batch)
        return _measured("loss", self.loss, outputs, batch)

    def distance_of(self, outputs: Any, wanted: Any) -> Tensor:
        """Distance of the student's outputs from the teacher's, unweighted."""
        if self.distance is not None:
            return _measured("distance", self.distance, outputs, wanted)
        if self.loss is not None:
            return relative_distance(outputs, wanted)
        return divergence(check_logits(outputs), check_logits(wanted), self.config.temperature)


def _measured(kind: str, function: Callable[[Any, Any], Tensor], outputs: Any, other: Any) -> Tensor:
    """What a function of the user's gives for ``outputs``, as a scalar.

    Raises:
        ConfigError: it raised an error, gave something else than one number, or one that nothing can be learnt from.
    """
    try:
        value = function(outputs, other)
    except RdpassError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {first_line(error)}; {users_line(error)}"
        raise ConfigError(f"the {kind} raised {said.rstrip('; ')}") from error
    if not isinstance(value, Tensor) or value.numel() != 1:
        raise ConfigError(f"the {kind} gave {_kind(value)}, and is to give one number: the mean over the batch's rows")
    learns = torch.is_grad_enabled() and any(output.requires_grad for output in tensors_in(outputs))
    if learns and not value.requires_grad:
        raise ConfigError(f"the {kind} has no gradient: compute it from the outputs with torch, without detaching them")
    return value.reshape(())


def cross_entropy(outputs: Any, batch: Batch) -> Tensor:
    """Cross-entropy of logits (N, classes, ...) with ``batch.targets``; see ``check_classes`` for these.

    Raises:
        ConfigError: the outputs are not logits, or the targets no classes of them.
    """
    logits = check_logits(outputs)
    return F.cross_entropy(logits, check_classes(logits, batch.targets), ignore_index=IGNORED)


def check_classes(logits: Tensor, targets: Any, remedy: str = REMEDY) -> Tensor:
    """The targets of logits (N, classes, ...), as cross-entropy takes them.

    Args:
        logits: of two classes or more.
        targets: class indices (N, ...), ``IGNORED`` for what does not count, of any type of whole numbers; or
            probabilities (N, classes, ...) whose sum over the classes is 1 (mixed or smoothed labels).
        remedy: what the message says that can be done.

    Raises:
        ConfigError: they are neither: boxes, images, scores of several labels at once.

    Example:
        >>> check_classes(torch.zeros(2, 3), torch.tensor([2, 0], dtype=torch.uint8))
        tensor([2, 0])
    """
    if not isinstance(targets, Tensor):
        raise ConfigError(f"labels are wanted as one tensor, not {_kind(targets)}; {remedy}")
    indices = (*logits.shape[:1], *logits.shape[2:])
    if targets.is_floating_point():
        if targets.shape == logits.shape and _are_probabilities(targets):
            return targets.to(torch.promote_types(logits.dtype, torch.float32))
    elif tuple(targets.shape) == indices:
        # Each batch is looked at: on a GPU an index out of range takes the whole process down.
        return _within(targets.long(), logits.shape[1], remedy)
    raise ConfigError(
        f"targets of shape {tuple(targets.shape)} and type {type_names([targets.dtype])} are no class indices for"
        f" logits of shape {tuple(logits.shape)}: cross-entropy takes whole numbers below {logits.shape[1]} of shape"
        f" {indices}; {remedy}"
    )


def _within(indices: Tensor, classes: int, remedy: str) -> Tensor:
    wrong = indices[((indices < 0) | (indices >= classes)) & (indices != IGNORED)]
    if wrong.numel():
        raise ConfigError(
            f"{int(wrong[0])} is no class index where the logits have {classes} classes (0 to {classes - 1}, {IGNORED}"
            f" for what does not count); correct the labels, or {remedy}"
        )
    return indices


def _are_probabilities(targets: Tensor) -> bool:
    sums = targets.sum(1)
    return bool((targets >= 0).all()) and bool((sums - 1).abs().max() <= _SUMS_TO_ONE)


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)) over axis 1, averaged over all others."""
    learnt = F.kl_div(
        F.log_softmax(student / temperature, 1),
        F.log_softmax(teacher / temperature, 1),
        reduction="none",
        log_target=True,
    )
    return temperature**2 * learnt.sum(1).mean()


def relative_distance(outputs: Any, wanted: Any) -> Tensor:
    """Mean squared difference over the mean square of the teacher's, averaged over all floating-point outputs.

    Free of scale, so that one ``alpha`` suits outputs of any unit. A teacher's output of nothing but zeros has no scale
    and is compared absolutely.

    Raises:
        ConfigError: there is no floating-point output to compare.
    """
    pairs = zip(tensors_in(outputs), tensors_in(wanted), strict=True)
    errors = [F.mse_loss(got, aim) / _power(aim) for got, aim in pairs if aim.is_floating_point()]
    if not errors:
        raise ConfigError("the model gives no floating-point output to distil; pass distance= to say how")
    return torch.stack(errors).mean()


def _power(x: Tensor) -> Tensor:
    """The mean square, or 1 where that is 0 up to what the type can hold."""
    power = x.square().mean()
    return torch.where(power >= torch.finfo(x.dtype).tiny, power, torch.ones_like(power))


LOSSES: Mapping[str, Loss] = {"cross_entropy": cross_entropy}
DISTANCES: Mapping[str, Distance] = {"relative": relative_distance}
losses: Registry[Loss] = Registry("loss", "rdpass.losses", LOSSES, a_callable("loss"))
distances: Registry[Distance] = Registry("distance", "rdpass.distances", DISTANCES, a_callable("distance"))


def find_loss(given: str | Loss | None) -> Loss | None:
    """A loss by its registered name, as ``pkg.mod:fn``, or as it is. A class is called without arguments first.

    Raises:
        ConfigError: none has that name, its package or module can't be loaded, or it does not take (outputs, batch).
    """
    return _found(given, losses, ("outputs", "batch"))


def find_distance(given: str | Distance | None) -> Distance | None:
    """A distance by its registered name, as ``pkg.mod:fn``, or as it is, like ``find_loss``.

    Raises:
        ConfigError: none has that name, its package or module can't be loaded, or it does not take
            (student_out, teacher_out).
    """
    return _found(given, distances, ("student_out", "teacher_out"))


def _found(given: str | Function | None, registry: Registry[Function], arguments: tuple[str, str]) -> Function | None:
    if given is None:
        return None
    what = f"the {registry.kind}"
    if not isinstance(given, str):
        found: Any = given
    else:
        found = beside_torchvision(lambda: find_named(given, what)) if names_code(given) else registry.find(given)
    if isinstance(found, type):
        try:
            found = found()
        except Exception as error:
            raise ConfigError(f"{what} {given!r} raised {type(error).__name__}: {first_line(error)}") from error
    _check_takes(found, f"{what} {given!r}" if isinstance(given, str) else what, arguments)
    return cast(Function, found)


def _check_takes(function: Any, what: str, arguments: tuple[str, str]) -> None:
    wanted = f"is to be a function of ({', '.join(arguments)})"
    if not callable(function):
        raise ConfigError(f"{what} {wanted}, not a {type(function).__name__}")
    try:
        signature = inspect.signature(function.forward if isinstance(function, nn.Module) else function)
    except (TypeError, ValueError):  # of compiled code, which may have none
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        raise ConfigError(f"{what} {wanted}, and takes {signature}") from None


def check_logits(outputs: Any, remedy: str | None = None) -> Tensor:
    """The outputs as one tensor of logits (N, classes, ...): the only one, or what is called ``logits`` among several.

    Args:
        outputs: of a model.
        remedy: what the message says that can be done; None where a training is meant.

    Raises:
        ConfigError: they are something else, or of one class, which has nothing to learn.
    """
    logits = sole_tensor(outputs)
    if logits is not None and logits.ndim >= 2 and logits.shape[1] > 1:
        return logits
    if remedy is not None:
        raise ConfigError(f"no logits (N, classes, …) of two classes or more in {_kind(outputs)}; {remedy}")
    raise ConfigError(
        f"without loss= training is for models that give one tensor of logits (N, classes, …) of two classes or more;"
        f" this one gave {_kind(outputs)}; {REMEDY}; and, if need be, distance(student_out, teacher_out) likewise"
    )


def sole_tensor(outputs: Any) -> Tensor | None:
    """The only tensor among the outputs, or what is called ``logits`` among several; else None."""
    if isinstance(outputs, Mapping) and isinstance(outputs.get("logits"), Tensor):  # transformers' outputs are such
        return cast(Tensor, outputs["logits"])
    tensors = tensors_in(outputs)
    return tensors[0] if len(tensors) == 1 else None


def _kind(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
