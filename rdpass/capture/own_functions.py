"""A copy of a model whose own functions work on the copy.

``copy.deepcopy`` takes a function as it is. One that stands on a module (``model.forward = autocast(model.forward)``, a
hook that calls another layer) goes on running the model that was copied, in its mode and with its weights.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from types import CellType, FunctionType, MethodType
from typing import Any

from torch import nn

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
Copies = dict[int, Any]
"""The memo of ``copy.deepcopy``: the copy of each object by the ``id`` of what it was copied from."""


def copy_with_functions(model: nn.Module, copies: Copies) -> nn.Module:
    """A deep copy; functions on its modules and in their hooks refer to modules of the copy.

    Args:
        model: to be copied.
        copies: what is not to be copied anew; everything else is added.
    """
    copied = copy.deepcopy(model, copies)
    for module in copied.modules():
        for name, value in list(vars(module).items()):
            if callable(value) and not isinstance(value, nn.Module | type):
                vars(module)[name] = _rebound(value, copies)
        for hooks in _HOOKS:
            held: dict[int, Callable[..., Any]] = getattr(module, hooks)
            for key, hook in list(held.items()):
                held[key] = _rebound(hook, copies)
    return copied


def _rebound(value: Any, copies: Copies) -> Any:
    """``value`` with copies for the modules that it refers to; itself where it refers to none."""
    if isinstance(value, nn.Module):
        return copies.get(id(value), value)
    if isinstance(value, MethodType):
        function, owner = _rebound(value.__func__, copies), _rebound(value.__self__, copies)
        same = function is value.__func__ and owner is value.__self__
        return value if same else MethodType(function, owner)
    if isinstance(value, functools.partial):
        args = tuple(_rebound(arg, copies) for arg in value.args)
        named = {name: _rebound(arg, copies) for name, arg in value.keywords.items()}
        return functools.partial(_rebound(value.func, copies), *args, **named)
    return _rebound_function(value, copies) if isinstance(value, FunctionType) else value


def _rebound_function(function: FunctionType, copies: Copies) -> Any:
    compiled_from = vars(function).get("_torchdynamo_orig_callable")  # torch.compile(model.forward)
    if compiled_from is not None:
        return _rebound(compiled_from, copies)
    if id(function) in copies:  # it refers to itself
        return copies[id(function)]
    copies[id(function)] = function
    cells = tuple(_rebound_cell(cell, copies) for cell in function.__closure__ or ())
    defaults = tuple(_rebound(value, copies) for value in function.__defaults__ or ())
    unchanged = all(a is b for a, b in zip(cells, function.__closure__ or (), strict=True)) and all(
        a is b for a, b in zip(defaults, function.__defaults__ or (), strict=True)
    )
    if unchanged:
        return function
    own = FunctionType(function.__code__, function.__globals__, function.__name__, defaults or None, cells)
    own.__kwdefaults__ = function.__kwdefaults__
    vars(own).update({name: _rebound(value, copies) for name, value in vars(function).items()})
    copies[id(function)] = own
    return own


def _rebound_cell(cell: CellType, copies: Copies) -> CellType:
    try:
        value = cell.cell_contents
    except ValueError:  # a name that nothing was given to yet
        return cell
    other = _rebound(value, copies)
    return cell if other is value else CellType(other)
