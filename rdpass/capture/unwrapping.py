"""The network in what stands round it for training or for speed: parallel copies, averages of weights, compilation.

Such a wrapper computes what the network in it computes. It may stand round the whole model or round parts of it
(``model.features = DataParallel(features)``), one in another.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

_OF_TORCH = (nn.DataParallel, DistributedDataParallel, AveragedModel)
_BY_NAME = {  # of packages that may not be here, and of torch's compiler, whose import takes seconds
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
    "lightning.fabric.wrappers._FabricModule": "_original_module",
    "lightning_fabric.wrappers._FabricModule": "_original_module",
    "deepspeed.runtime.engine.DeepSpeedEngine": "module",
    "timm.utils.model_ema.ModelEmaV2": "module",
    "timm.utils.model_ema.ModelEmaV3": "module",
}
"""The wrapper's class, and the attribute that holds the network."""


def unwrapped(model: nn.Module) -> nn.Module:
    """The network in ``model``, or ``model`` itself."""
    while (inside := _inside(model)) is not None:
        model = inside
    return model


def wrappers_in(model: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Every wrapper below ``model`` with the network in it."""
    for module in model.modules():
        if _inside(module) is not None:
            yield module, unwrapped(module)


def _inside(module: nn.Module) -> nn.Module | None:
    if isinstance(module, _OF_TORCH):
        return module.module
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(module).__mro__)
    attribute = next((_BY_NAME[name] for name in names if name in _BY_NAME), None)
    inside = getattr(module, attribute) if attribute else None
    return inside if isinstance(inside, nn.Module) else None
