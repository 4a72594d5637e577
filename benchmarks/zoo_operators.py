"""Lets torchvision, and what imports it, load beside a CPU build of torch that lacks its compiled operators."""

from __future__ import annotations

import torch

_library: torch.library.Library | None = None  # the definitions live as long as this object


def register_missing_operators() -> None:
    """Define ``torchvision::nms`` and ``qnms`` as names without code, unless they are there."""
    global _library
    if _library is None:
        _library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            _library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
