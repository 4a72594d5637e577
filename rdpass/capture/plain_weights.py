"""A copy of a model whose weights are stored, not computed anew at every call (weight norm, spectral norm, …).

Passes read and fold weights, and such a layer would overwrite what they fold. Two mechanisms of torch do so:
parametrizations, and the hooks before a forward of ``torch.nn.utils.weight_norm`` and ``spectral_norm``.
"""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from rdpass.core.errors import ConfigError, first_line


def copy_with_plain_weights(model: nn.Module) -> nn.Module:
    """The copy, in eval mode, with the weights that the model has in eval mode; the model stays as it was.

    Raises:
        ConfigError: something in it can't be copied.
    """
    try:
        copied = copy.deepcopy(model, _computed(model)).eval()
    except Exception as error:
        raise ConfigError(
            f"{type(model).__name__} can't be copied ({first_line(error)}); clear what it cached of an earlier call"
        ) from error
    for module in list(copied.modules()):
        _end_hooks(module)
        _end_parametrizations(module)
    return copied


def _computed(model: nn.Module) -> dict[int, Tensor]:
    """For ``deepcopy``: copies of the weights that hooks have left behind, which it refuses as they have a gradient."""
    hooked = [(module, hook) for module in model.modules() for hook in _hooks(module)]
    weights = [vars(module).get(hook.name) for module, hook in hooked]
    return {id(weight): weight.detach().clone() for weight in weights if isinstance(weight, Tensor)}


def _hooks(module: nn.Module) -> list[WeightNorm | SpectralNorm]:
    return [hook for hook in module._forward_pre_hooks.values() if isinstance(hook, WeightNorm | SpectralNorm)]


def _end_hooks(module: nn.Module) -> None:
    for hook in _hooks(module):
        end = nn.utils.remove_weight_norm if isinstance(hook, WeightNorm) else nn.utils.remove_spectral_norm
        end(module, hook.name)


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
