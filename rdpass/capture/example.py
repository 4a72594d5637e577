"""An input for a model that came without one: guessed from its first convolution, and said so."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from rdpass.core.errors import TraceError
from rdpass.passes.graph.node_kinds import CONVOLUTIONS

SIZES = {nn.Conv1d: (224,), nn.Conv2d: (224, 224), nn.Conv3d: (16, 112, 112)}


def infer_example(model: nn.Module) -> Tensor:
    """Standard-normal numbers of shape (1, channels of the first convolution, 224, 224), seeded.

    Raises:
        TraceError: the model has no convolution to tell from.
    """
    for path, module in model.named_modules():
        if isinstance(module, CONVOLUTIONS):
            size = next(size for kind, size in SIZES.items() if isinstance(module, kind))
            shape = (1, module.in_channels, *size)
            warnings.warn(f"no example given: taking {'x'.join(map(str, shape))} from {path}", stacklevel=3)
            return torch.randn(shape, generator=torch.Generator().manual_seed(0))
    raise TraceError(f"{type(model).__name__} has no convolution to tell its input from; pass an example (--input)")
