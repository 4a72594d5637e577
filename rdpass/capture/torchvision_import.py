"""Lets torchvision be imported beside a torch that it was not built for, as next to torch's CPU build from PyPI.

Its compiled operators can't be loaded there, and its Python half then stumbles over two names that are missing. With
these defined, architectures build as ever, and an operator that is called after all (nms, roi_align) is refused by
torchvision itself. timm imports torchvision too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

NAMES = ("nms", "qnms")
_library: torch.library.Library | None = None  # the definitions live as long as this object


def prepare_torchvision() -> None:
    """Define the missing names, without code, if torchvision is here and does not import without them.

    Nothing is raised: whoever needs torchvision imports it next, and is told what is wrong.
    """
    global _library
    try:
        import torchvision  # noqa: F401
    except ImportError:
        return
    except RuntimeError as error:
        if _library is None and "torchvision::" in str(error):
            _library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
            for name in NAMES:
                signature = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                _library.define(signature)  # type: ignore[no-untyped-call]


def beside_torchvision(attempt: Callable[[], Any]) -> Any:
    """What ``attempt`` gives; where it fails because torchvision does not import, once more after preparing it.

    A user's module may import torchvision, or what imports it (timm, transformers, lightning).
    """
    try:
        return attempt()
    except Exception as error:
        if not any("torchvision::" in str(each) for each in _causes(error)):
            raise
        prepare_torchvision()
    return attempt()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
