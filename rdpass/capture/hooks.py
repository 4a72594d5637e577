"""Hooks on a model's modules: those that only watch are dropped, those that change numbers are followed.

A hook behind a forward that gives back nothing (it counts operations, keeps features, prints) changes no numbers. Run
on the symbols of a tracer it would break, or keep the symbols.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn


def is_changed(module: nn.Module) -> bool:
    """Tell whether its numbers may be others than its class gives: by a hook, or a forward of its own."""
    return bool(module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def drop_observers(model: nn.Module, ran: nn.Module, run: Callable[[], object]) -> object:
    """Drop from ``model`` the hooks behind forwards that give back nothing while ``run`` runs its copy ``ran``.

    Returns:
        What ``run`` gives.
    """
    heard = {
        (path, key): _Heard(hook) for path, module in ran.named_modules() for key, hook in module._forward_hooks.items()
    }
    for (path, key), hook in heard.items():
        ran.get_submodule(path)._forward_hooks[key] = hook
    outputs = run()
    for (path, key), hook in heard.items():
        if not hook.has_answered:
            del model.get_submodule(path)._forward_hooks[key]
    return outputs


class _Heard:
    """A hook, and whether it ever gave back something."""

    def __init__(self, hook: Callable[..., Any]) -> None:
        self._hook, self.has_answered = hook, False

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        answer = self._hook(*arguments, **named)
        self.has_answered |= answer is not None
        return answer
