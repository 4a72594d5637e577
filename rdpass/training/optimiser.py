"""Optimisers by name or as functions, and the groups of parameters that they are given.

1. ``sgd``: Nesterov momentum, the default.
2. ``adamw``, ``rmsprop``, …: another class of ``torch.optim``, its name in small letters.
3. ``timm:lamb``, ``timm:lookahead_lion``, …: one of timm's, where timm is installed.
4. A function of (groups, lr, options), or ``pkg.mod:fn``, that gives a ``torch.optim.Optimizer``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from rdpass.capture.torchvision_import import beside_torchvision
from rdpass.core.errors import ConfigError, first_line
from rdpass.core.named_code import find_named
from rdpass.training.checkpoint import unkept
from rdpass.training.config import DistillConfig, name_of

SGD = "sgd"
TIMM = "timm:"
# The first asks for a closure, the second for sparse gradients.
_UNFIT = ("lbfgs", "sparseadam", "optimizer")
TORCHS: Mapping[str, type[Optimizer]] = {
    name.lower(): found
    for name, found in sorted(vars(torch.optim).items(), key=lambda item: str(item[0]).lower())
    if isinstance(found, type) and issubclass(found, Optimizer) and name.lower() not in _UNFIT
}
Group = dict[str, Any]
Named = Iterable[tuple[str, nn.Parameter]]


def make_optimiser(model: nn.Module, config: DistillConfig) -> Optimizer:
    """The optimiser of ``config`` for the parameters of ``model`` that are not frozen.

    Raises:
        ConfigError: there is none of that name, it does not take the options or parameters, or a glob of
            ``config.parameters`` matches no name.
    """
    named = [(name.removeprefix("student."), p) for name, p in model.named_parameters() if p.requires_grad]
    return _made(parameter_groups(named, config), config)


def check_optimiser(config: DistillConfig) -> None:
    """Make the optimiser for a layer of two weights, take a step, and see that a checkpoint can hold its state.

    Raises:
        ConfigError: one of the three fails.
    """
    with torch.random.fork_rng(devices=[]):
        layer = nn.Linear(2, 2)
    optimiser = _made(parameter_groups(layer.named_parameters(), config.model_copy(update={"parameters": {}})), config)
    layer.weight.grad, layer.bias.grad = torch.ones(2, 2), torch.ones(2)
    what = f"optimiser {name_of(config.optimiser)!r}"
    try:
        optimiser.step()
    except Exception as error:  # an optimiser of anybody's
        raise ConfigError(f"{what} can't take a step: {type(error).__name__}: {first_line(error)}") from error
    if (reason := unkept(optimiser.state_dict())) is not None:
        raise ConfigError(f"{what} has a state that a checkpoint can't hold as data: {reason}")


def parameter_groups(named: Named, config: DistillConfig) -> list[Group]:
    """Groups of one weight decay and one rate each.

    Weights of layers decay; gains, biases and normalisation, all of one axis longer than 1, do not. The globs of
    ``config.parameters`` say otherwise by name, the later over the earlier.

    Raises:
        ConfigError: a glob matches no name.
    """
    named = list(named)
    _check_globs(config, [name for name, _ in named])
    decayed, free = _group(config.weight_decay), _group(0.0)
    others: dict[tuple[float, float], Group] = {}
    for name, parameter in named:
        long_axes = sum(size > 1 for size in parameter.shape)
        group = decayed if parameter.ndim > 1 and long_axes > 1 else free
        said = [options for glob, options in config.parameters.items() if fnmatchcase(name, glob)]
        decays = [each.weight_decay for each in said if each.weight_decay is not None]
        scales = [each.lr_scale for each in said if each.lr_scale is not None]
        if decays or scales:
            key = (decays[-1] if decays else group["weight_decay"], scales[-1] if scales else 1.0)
            group = others.setdefault(key, _group(*key))
        group["params"].append(parameter)
    return [decayed, free, *others.values()]


def _group(weight_decay: float, lr_scale: float = 1.0) -> Group:
    return {"params": [], "weight_decay": weight_decay, **({} if lr_scale == 1.0 else {"lr_scale": lr_scale})}


def set_rate(optimiser: Optimizer, rate: float) -> None:
    """Set the learning rate of the next step, each group's by its ``lr_scale``."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def check_options(what: str, function: Callable[..., Any], options: Iterable[str], ours: Iterable[str] = ()) -> None:
    """
    Raises:
        ConfigError: ``function`` does not take one of the ``options`` by name, or it is among ``ours``.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of compiled code, which may have none
        return
    takes = [name for name, each in parameters.items() if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    takes = [name for name in takes if name not in {"params", "optimizer", "last_epoch", *ours}]
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    for option in options:
        if option in ours or not (takes_any or option in takes):
            near = get_close_matches(option, takes, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{what} has no option {option!r}; it has {', '.join(takes) or 'none'}{meant}")


def timms(attempt: Callable[[], Any], what: str) -> Any:
    """What ``attempt`` takes from timm.

    Raises:
        ConfigError: timm is not installed.
    """
    try:
        return beside_torchvision(attempt)
    except ImportError as error:
        raise ConfigError(f"{what} takes timm ({first_line(error)}): pip install timm") from error


def _made(groups: list[Group], config: DistillConfig) -> Optimizer:
    what = f"optimiser {name_of(config.optimiser)!r}"
    make = _maker(config.optimiser, what)
    given: dict[str, Any] = dict(config.optimiser_options)
    check_options(what, make, given, ("params", "lr"))
    if config.optimiser == SGD:
        momentum = given.setdefault("momentum", config.momentum)
        given.setdefault("nesterov", bool(momentum))
    try:
        made = make(groups, lr=config.lr, **given)
    except ConfigError:
        raise
    except Exception as error:  # each refuses options and parameters in its own way
        raise ConfigError(f"{what} can't be made: {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(made, Optimizer):
        raise ConfigError(f"{what} is to give a torch.optim.Optimizer, not a {type(made).__name__}")
    if getattr(made, "is_second_order", False):
        raise ConfigError(f"{what} needs second derivatives, which are not computed here")
    return made


def _maker(given: str | Callable[..., Any], what: str) -> Callable[..., Any]:
    if not isinstance(given, str):
        return given
    if given.startswith(TIMM):
        return _timms_maker(given.removeprefix(TIMM), what)
    if ":" in given:
        found = beside_torchvision(lambda: find_named(given, "the optimiser"))
        if not callable(found):
            raise ConfigError(f"{what} is to be a function of (groups, lr), not a {type(found).__name__}")
        return found  # type: ignore[no-any-return]
    if given not in TORCHS:
        near = get_close_matches(given, TORCHS, 1)
        raise ConfigError(
            f"no optimiser is called {given!r}; there are {', '.join(TORCHS)}, and timm:NAME"
            f"{f'; did you mean {near[0]}?' if near else ''}"
        )
    return TORCHS[given]


def _timms_maker(name: str, what: str) -> Callable[..., Any]:
    def imported() -> Any:
        from timm import optim

        return optim

    optim = timms(imported, what)
    known = optim.list_optimizers()
    if name.lower().removeprefix("lookahead_") not in known:
        near = get_close_matches(name, known, 1)
        raise ConfigError(f"timm has no optimiser {name!r}{f'; did you mean timm:{near[0]}?' if near else ''}")

    def made(groups: list[Group], lr: float, **options: Any) -> Any:
        return optim.create_optimizer_v2(groups, opt=name, lr=lr, **options)

    return made


def _check_globs(config: DistillConfig, names: list[str]) -> None:
    for glob in config.parameters:
        if not any(fnmatchcase(name, glob) for name in names):
            near = get_close_matches(glob, names, 3, 0.4) or names[:3]
            raise ConfigError(
                f"train.parameters: {glob!r} matches none of the {len(names)} names of parameters that are trained,"
                f" such as {', '.join(near)}"
            )
