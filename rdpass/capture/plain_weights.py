"""Weights that are stored, not computed anew at every call (weight norm, spectral norm, pruning, …).

Passes read and fold weights, and such a layer would overwrite what they fold. Two mechanisms of torch do so:
parametrizations, and the hooks before a forward of ``torch.nn.utils.weight_norm``, ``spectral_norm`` and ``prune``.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

_Hook = WeightNorm | SpectralNorm | prune.BasePruningMethod


def computed_weights(model: nn.Module) -> dict[int, Tensor]:
    """Copies of the weights that hooks left behind, by ``id``: ``deepcopy`` refuses them, as they have a gradient."""
    hooked = [(module, hook) for module in model.modules() for hook in _hooks(module)]
    weights = [vars(module).get(_weight_of(hook)) for module, hook in hooked]
    return {id(weight): weight.detach().clone() for weight in weights if isinstance(weight, Tensor)}


def store_weights(model: nn.Module) -> None:
    """In place, in eval mode: each such weight becomes a parameter with the numbers that it has."""
    for module in list(model.modules()):
        for hook in _hooks(module):
            _end(hook, module)
        _end_parametrizations(module)


def _hooks(module: nn.Module) -> list[_Hook]:
    return [hook for hook in module._forward_pre_hooks.values() if isinstance(hook, _Hook)]


def _weight_of(hook: _Hook) -> str:
    return str(hook._tensor_name if isinstance(hook, prune.BasePruningMethod) else hook.name)


def _end(hook: _Hook, module: nn.Module) -> None:
    if isinstance(hook, WeightNorm):
        nn.utils.remove_weight_norm(module, hook.name)
    elif isinstance(hook, SpectralNorm):
        nn.utils.remove_spectral_norm(module, hook.name)
    else:
        prune.remove(module, _weight_of(hook))  # type: ignore[no-untyped-call]


def _end_parametrizations(module: nn.Module) -> None:
    """``remove_parametrizations`` won't do: it changes a class that a copy shares with what it was copied from."""
    if not parametrize.is_parametrized(module):
        return
    names = list(module.parametrizations)  # type: ignore[arg-type]
    values = {name: getattr(module, name).detach().clone() for name in names}
    module.__class__ = parametrize.type_before_parametrizations(module)
    del module.parametrizations
    for name, value in values.items():
        module.register_parameter(name, nn.Parameter(value))
