"""A user's model run as its code says, in the precision of its weights: without autocast, and never compiled."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch


@contextmanager
def running_plainly() -> Iterator[list[torch.dtype]]:
    """A block in which autocast changes nothing, and what was compiled runs uncompiled.

    Gives the list of types that blocks of autocast within asked for: empty where the model has none.
    """
    asked: list[torch.dtype] = []
    with ExitStack() as stack:
        for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
            stack.enter_context(torch.autocast(device, enabled=False))
        if "torch._dynamo" in sys.modules:  # nothing is compiled without it, and importing it takes seconds
            stack.enter_context(torch.compiler.set_stance("force_eager"))  # type: ignore[no-untyped-call]
        stack.enter_context(_autocast_only_noted(asked))
        yield asked


@contextmanager
def _autocast_only_noted(asked: list[torch.dtype]) -> Iterator[None]:
    """Entering a block of autocast adds its type to ``asked``, and does nothing else."""

    def enter(block: Any) -> Any:
        if block._enabled:
            asked.append(block.fast_dtype)
        return block

    def leave(block: Any, *exception: Any) -> bool:
        return False

    kept = torch.autocast.__enter__, torch.autocast.__exit__
    torch.autocast.__enter__, torch.autocast.__exit__ = enter, leave  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        torch.autocast.__enter__, torch.autocast.__exit__ = kept  # type: ignore[method-assign]
