"""Lets torchvision, and what imports it, load beside a CPU build of torch that lacks its compiled operators."""

from __future__ import annotations

import torch

_library: torch.library.Library | None = None  # the definitions live as long as this object


def register_missing_operators() -> None:
    """Define ``torchvision::nms`` and ``qnms`` as names without code, unless they are there."""
    global _library
    if _library is None:
        _library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            signature = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            _library.define(signature)  # type: ignore[no-untyped-call]
