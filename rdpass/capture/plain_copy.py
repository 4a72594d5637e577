"""The copy of a model that everything here works on: the network alone, with stored weights, in float32."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from torch import nn

from rdpass.capture.float_form import check_floats, in_single
from rdpass.capture.own_functions import copy_with_functions
from rdpass.capture.plain_weights import computed_weights, store_weights
from rdpass.capture.unwrapping import check_runs, unwrapped, wrappers_in
from rdpass.core.errors import ConfigError, first_line

_OF_A_RUN = ("_trainer", "_fabric")
"""Lightning's: a module in training refers to its trainer, which holds loaders and processes."""


@dataclass(frozen=True)
class PlainCopy:
    """``module`` in eval mode; ``notes`` say how its numbers differ from the model's."""

    module: nn.Module
    notes: tuple[str, ...] = ()


def plain_copy(model: nn.Module) -> PlainCopy:
    """A copy without wrappers, computed weights, fake quantisation and halves; ``model`` stays as it was.

    Raises:
        ConfigError: it can't be called or copied, or its weights are integers.
    """
    network = unwrapped(model)
    check_runs(network)
    check_floats(network)
    copies: dict[int, Any] = {**computed_weights(network), **_without_trainers(network)}
    try:
        for wrapper, inside in reversed(list(wrappers_in(network))):  # the innermost are copied first
            copies[id(wrapper)] = copy.deepcopy(inside, copies)
        copied = copy_with_functions(network, copies).eval()
    except Exception as error:
        raise ConfigError(
            f"{type(network).__name__} can't be copied ({first_line(error)}); clear what it cached of an earlier call"
        ) from error
    store_weights(copied)
    return PlainCopy(*in_single(copied))


def _without_trainers(network: nn.Module) -> dict[int, None]:
    held = (vars(module).get(name) for module in network.modules() for name in _OF_A_RUN)
    return {id(each): None for each in held if each is not None}
