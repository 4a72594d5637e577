"""The network in what stands round it for training or for speed: parallel copies, averages of weights, compilation.

Such a wrapper computes what the network in it computes. It may stand round the whole model or round parts of it
(``model.features = DataParallel(features)``), one in another.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.jit import ScriptModule
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from rdpass.core.errors import ConfigError

_OF_TORCH = (nn.DataParallel, DistributedDataParallel, AveragedModel)
_BY_NAME = {  # of packages that may not be here, and of torch's compiler, whose import takes seconds
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
    "lightning.fabric.wrappers._FabricModule": "_original_module",
    "lightning_fabric.wrappers._FabricModule": "_original_module",
    "deepspeed.runtime.engine.DeepSpeedEngine": "module",
    "timm.utils.model_ema.ModelEmaV3": "module",
}
"""The wrapper's class, and the attribute that holds the network."""
_REFUSING = ("lightning.pytorch.core.module", "pytorch_lightning.core.module")


def unwrapped(model: nn.Module) -> nn.Module:
    """The network in ``model``, or ``model`` itself.

    A module without a ``forward``, as one of Lightning's may be, stands round the one module with weights in it.
    """
    while (inside := _inside(model) or _only_network(model)) is not None:
        model = inside
    return model


def wrappers_in(model: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Every wrapper below ``model`` with the network in it."""
    for module in model.modules():
        inside = _inside(module)
        while inside is not None and (further := _inside(inside)) is not None:
            inside = further
        if inside is not None:
            yield module, inside


def check_runs(network: nn.Module) -> None:
    """Refuse what can't be called.

    Raises:
        ConfigError: it has no ``forward``; the message names the networks in it.
    """
    if _has_no_forward(network):
        inside = ", ".join(path for path, _ in _networks_in(network)) or "none"
        raise ConfigError(f"{type(network).__name__} has no forward; give the network in it to be read (of: {inside})")


def _only_network(model: nn.Module) -> nn.Module | None:
    networks = _networks_in(model) if _has_no_forward(model) else []
    return networks[0][1] if len(networks) == 1 else None


def _networks_in(model: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(path, child) for path, child in model.named_children() if next(child.parameters(), None) is not None]


def _has_no_forward(model: nn.Module) -> bool:
    """Tell whether nothing but torch's own refusal, or Lightning's call of it, stands there."""
    forward = getattr(type(model), "forward", None)
    inherited = forward is nn.Module.forward or getattr(forward, "__module__", "") in _REFUSING
    return inherited and "forward" not in vars(model) and not isinstance(model, ScriptModule)


def _inside(module: nn.Module) -> nn.Module | None:
    if isinstance(module, _OF_TORCH):
        return module.module
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(module).__mro__)
    attribute = next((_BY_NAME[name] for name in names if name in _BY_NAME), None)
    inside = getattr(module, attribute) if attribute else None
    return inside if isinstance(inside, nn.Module) else None
