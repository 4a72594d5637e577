"""In which order a training holds its maps: channels last, the order convolutions run fastest on, where it is safe.

On CPUs it is not for a 1x1 convolution with stride over fewer input channels than a vector register holds floats:
oneDNN 3.12 (torch 2.13) writes past its workspace in that weight gradient (uxlfoundation/oneDNN issue 6035). On an AVX2
machine 3 to 7 channels ended the process with one thread, and gave a gradient wrong by half with two.
"""

from __future__ import annotations

import torch
from torch import nn

from rdpass.passes.graph.node_kinds import CONVOLUTIONS

WIDEST_REGISTER = 16  # floats, AVX-512


def training_layout(model: nn.Module, device: str) -> torch.memory_format:
    """``torch.channels_last``, or ``torch.contiguous_format`` where a layer of ``model`` can't be trained so."""
    if torch.device(device).type == "cpu" and any(map(_unsafe, model.modules())):
        return torch.contiguous_format
    return torch.channels_last


def _unsafe(module: nn.Module) -> bool:
    if not isinstance(module, CONVOLUTIONS):
        return False
    pointwise = all(size == 1 for size in module.kernel_size) and any(step > 1 for step in module.stride)
    return pointwise and module.in_channels // module.groups < WIDEST_REGISTER
