"""The state dicts in a file, wherever a training script put them. A file of weights runs no code."""

from __future__ import annotations

import argparse
import pathlib
import pickle
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from rdpass.capture.script_files import is_script
from rdpass.core.errors import ConfigError, first_line
from rdpass.core.files import check_regular

State = dict[str, Tensor]

_DEEPEST = 4
_NO_WEIGHTS = re.compile(r"optim|sched|scaler|loop|callback|hyper|rng", re.IGNORECASE)
"""Keys of what has tensors, and names, but no weights."""
_SCALAR, _ARRAY = np.float64(0).__reduce__()[0], np.zeros(1).__reduce__()[0]  # what numpy pickles its values with
_BESIDE: Any = [  # what scripts save beside weights: settings and figures, which are data
    argparse.Namespace, types.SimpleNamespace, pathlib.PosixPath, pathlib.PurePosixPath,
    (_SCALAR, "numpy.core.multiarray.scalar"), (_SCALAR, "numpy._core.multiarray.scalar"), np.dtype,
    (_ARRAY, "numpy.core.multiarray._reconstruct"), (_ARRAY, "numpy._core.multiarray._reconstruct"), np.ndarray,
    *(type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd"),
]  # fmt: skip


def split_key(text: str | Path) -> tuple[Path, str]:
    """``FILE`` or ``FILE:key`` in two: the file, and what of it is meant ('' for whatever fits)."""
    whole, (file, _, key) = Path(text), str(text).rpartition(":")
    return (whole, "") if not file or whole.exists() else (Path(file), key)


def read_states(file: Path) -> dict[str, State]:
    """Every state dict in ``file`` (``torch.save``'s, or ``.safetensors``) by its keys, joined with dots; '' is the
    file's own.

    Raises:
        ConfigError: it is no file of tensors, or reading it would run code.
    """
    states = dict(_states(_read(file), ""))
    if not states:
        raise ConfigError(f"{file} holds no state dict; write one with torch.save(model.state_dict(), …)")
    return states


def no_network(file: Path) -> ConfigError:
    """Why ``file``, which was given as a model, is none, and what to do: weights, a pickled module, anything else."""
    if not file.is_file():
        what = "a folder of no kind that is read" if file.is_dir() else "not there, or no file"
        return ConfigError(f"the model {file} is {what}; give a file (.onnx, .pt2, TorchScript) or pkg.mod:callable")
    try:
        _read(file)
    except ConfigError as error:
        if isinstance(error.__cause__, pickle.UnpicklingError) and _is_of_torch(file):
            return ConfigError(
                f"{file} is a pickled module, and reading one runs code. If you trust it, write a function in a file of"
                f" your own that returns torch.load({str(file)!r}, weights_only=False), and give FILE:function"
            )
        return ConfigError(
            f"the model {file} is of no kind that is read: an ONNX file is named .onnx, a torch.export program .pt2;"
            " files of torch.jit.save are known by what they hold"
        )
    return ConfigError(
        f"{file} holds weights without a network; give the network, and this as its weights: pkg.mod:callable"
        f" --weights {file}"
    )


def _is_of_torch(file: Path) -> bool:
    """Tell whether torch.save wrote it: an archive, or the pickles of old."""
    with file.open("rb") as opened:
        return opened.read(2) in (b"PK", b"\x80\x02")


def _states(found: Any, path: str) -> Iterator[tuple[str, State]]:
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        return
    tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)}
    if tensors:
        yield path, tensors
    for name, value in found.items():
        if path.count(".") < _DEEPEST and not _NO_WEIGHTS.search(name):
            yield from _states(value, f"{path}.{name}" if path else name)


def _read(file: Path) -> Any:
    if is_script(file):
        raise ConfigError(
            f"{file} is a TorchScript archive; write its weights with torch.save(torch.jit.load(FILE).state_dict(), …)"
        )
    try:
        check_regular(file)
        if file.suffix == ".safetensors":
            return load_file(file)
        with torch.serialization.safe_globals(_BESIDE):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        foreign = re.search(r"GLOBAL ([\w.]+) was not", str(error))
        raise ConfigError(
            f"{file} can't be read as tensors alone ({f'it holds {foreign[1]}; ' if foreign else ''}is it a whole"
            " pickled model?), and nothing else is read, for it could run code; write the weights with"
            " torch.save(model.state_dict(), …)"
        ) from error
    except Exception as error:  # a torn file ends in whatever torch meets first
        raise ConfigError(f"the weights {file} can't be read: {type(error).__name__}: {first_line(error)}") from error
