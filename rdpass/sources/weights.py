"""Trained weights from a file into a model built with random ones; a file of weights runs no code."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from rdpass.core.errors import ConfigError, first_line

WRAPPERS = ("state_dict", "model_state_dict", "model")  # where training scripts keep the weights in a checkpoint
PREFIXES = ("module.", "_orig_mod.")  # DistributedDataParallel's and torch.compile's
SHOWN = 3


def load_weights(model: nn.Module, file: Path) -> None:
    """Put the state dict in ``file`` (``torch.save``'s, or ``.safetensors``) into ``model``, every tensor of it.

    Raises:
        ConfigError: the file can't be read, or does not hold exactly this model's tensors; the message names them.
    """
    state = read_weights(file)
    own = model.state_dict()
    # Checkpoints from before torch 0.4.1 have no count of batches, and nothing here reads it.
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    wrong = [
        f"{name} {_size(value)} for the model's {_size(own[name])}"
        for name, value in state.items()
        if name in own and value.shape != own[name].shape
    ]
    other = [f"{name} ({_kind(value)})" for name, value in state.items() if name in own and not _fits(value, own[name])]
    problems = (
        _listed("missing", missing),
        _listed("not in the model", [name for name in state if name not in own]),
        _listed("of another shape", wrong),
        _listed("no dense tensors of the model's kind of numbers", other),
    )
    if any(problems):
        raise ConfigError(
            f"{file} holds the weights of another network: {'; '.join(filter(None, problems))}. Build that network:"
            " 'timm:NAME(num_classes=10)', or pkg.mod:callable for one of your own"
        )
    model.load_state_dict(state, strict=False)


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a state dict by name, without what DistributedDataParallel or torch.compile put before the names.

    Raises:
        ConfigError: it is no file of tensors, or reading it would run code.
    """
    state = _unwrapped(_read(file))
    if not isinstance(state, Mapping) or not state or not all(map(_is_entry, state.items())):
        raise ConfigError(f"{file} holds no state dict; write one with torch.save(model.state_dict(), …)")
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return dict(state)


def _is_entry(entry: tuple[object, object]) -> bool:
    return isinstance(entry[0], str) and isinstance(entry[1], Tensor)


def _fits(value: Tensor, own: Tensor) -> bool:
    """Tell whether the value can be copied without a loss that nobody asked for: complex numbers have an imaginary
    part, and integers for floats are those of a quantised network."""
    dense = value.layout is torch.strided and not value.is_meta and not value.is_quantized and not value.is_complex()
    return dense and (value.is_floating_point() or not own.is_floating_point())


def _kind(value: Tensor) -> str:
    where = "meta" if value.is_meta else str(value.layout).removeprefix("torch.")
    return f"{where} {str(value.dtype).removeprefix('torch.')}"


def _read(file: Path) -> Any:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ConfigError(
            f"{file} can't be read as tensors alone (is it a whole pickled model?), and nothing else is read, for it"
            " could run code; write the weights with torch.save(model.state_dict(), …)"
        ) from error
    except Exception as error:  # a torn file ends in whatever torch meets first
        raise ConfigError(f"the weights {file} can't be read: {type(error).__name__}: {first_line(error)}") from error


def _unwrapped(found: Any) -> Any:
    """The state dict in a training script's checkpoint, or what was found itself."""
    if isinstance(found, Mapping):
        return next((found[key] for key in WRAPPERS if isinstance(found.get(key), Mapping)), found)
    return found


def _listed(what: str, names: Sequence[str]) -> str:
    """``3 missing (a, b, …)``; empty for none."""
    more = ", …" if len(names) > SHOWN else ""
    return f"{len(names)} {what} ({', '.join(names[:SHOWN])}{more})" if names else ""


def _size(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "scalar"
