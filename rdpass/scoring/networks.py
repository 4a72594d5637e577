"""Networks of any form as functions of a batch: modules, runs, ONNX files, and bundles, here or emulated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError, RdpassError, first_line
from rdpass.core.processing import Processing
from rdpass.core.tensor_spec import TensorSpec
from rdpass.core.tensors import plain_outputs
from rdpass.deploy.bundle.execution import execute
from rdpass.deploy.bundle.manifest import NAME as MANIFEST
from rdpass.deploy.bundle.manifest import opened as opened_bundle
from rdpass.deploy.bundle.verification import target_of
from rdpass.onnx.oracle import Session
from rdpass.onnx.source import read_onnx
from rdpass.runs.folder import RECORD, load_run
from rdpass.runs.result import Conversion
from rdpass.sources.samples import fitting
from rdpass.targets.toolchain import find_launcher
from rdpass.training.batches import Unpacking, form_of_rows, unpacking_for
from rdpass.training.objective import Batch

Source = nn.Module | Conversion | str | Path
Run = Callable[[Sequence[Array]], Sequence[Array]]


@dataclass(frozen=True)
class Network:
    """``call`` gives the outputs for a batch: a module's as it gives them, without classes of their own; else a tensor,
    or a tuple of them.

    ``by``: what computes it; ``is_slow``: it is emulated; ``postprocess``: what is done to its scores within it.
    """

    name: str
    by: str
    unpacking: Unpacking
    call: Callable[[Batch, int], Any]
    is_slow: bool = False
    postprocess: str | None = None


@contextmanager
def opened(name: str, source: Source) -> Iterator[Network]:
    """A network ready to run, for as long as the block does; a module's mode is as before afterwards.

    Raises:
        ConfigError: it is nothing of the kind, or can't be read.
        IntegrityError: a bundle or a run folder is damaged.
        TargetError: a bundle is for another CPU and there is no emulator for that.
    """
    if isinstance(source, nn.Module | Conversion):
        with _of_module(name, source.student if isinstance(source, Conversion) else source) as network:
            yield network
    elif isinstance(source, str | Path) and (path := Path(source)).is_dir():
        with _of_folder(name, path) as network:
            yield network
    elif isinstance(source, str | Path):
        yield _of_file(name, Path(source))
    else:
        raise ConfigError(
            f"{name} is a {type(source).__name__}: a module, a conversion, an .onnx file, a run folder or a bundle is"
            " wanted"
        )


@contextmanager
def _of_module(name: str, module: nn.Module) -> Iterator[Network]:
    modes = {part: part.training for part in module.modules()}
    module.eval()

    def call(batch: Batch, index: int) -> Any:
        try:
            return plain_outputs(module(*batch.inputs))
        except RdpassError:
            raise
        except Exception as error:  # whatever is in a module of the user's
            form = form_of_rows(batch.inputs)
            raise ConfigError(f"{name} fails on batch {index}, inputs of {form}: {first_line(error)}") from error

    try:
        yield Network(name, "torch", unpacking_for(module), call)
    finally:
        for part, mode in modes.items():
            part.training = mode


def _of_file(name: str, path: Path) -> Network:
    source = read_onnx(path)
    return _of_arrays(name, "ONNX Runtime", source.inputs, Session(source.reference).run, source.processing)


@contextmanager
def _of_folder(name: str, folder: Path) -> Iterator[Network]:
    if (folder / RECORD).is_file():
        with _of_module(name, load_run(folder).student) as network:
            yield network
    elif (folder / MANIFEST).is_file():
        with opened_bundle(folder) as (copy, manifest):
            launcher = find_launcher(target_of(manifest))
            by = f"{manifest.target['name']} bundle" + (", emulated" if launcher else "")
            run: Run = lambda arrays: execute(copy, manifest, launcher, arrays)  # noqa: E731
            yield _of_arrays(name, by, manifest.inputs, run, manifest.processing, bool(launcher))
    else:
        raise ConfigError(f"{folder} is neither a run folder ({RECORD}) nor a bundle ({MANIFEST})")


def _of_arrays(
    name: str, by: str, inputs: Sequence[TensorSpec], run: Run, processing: Processing | None, is_slow: bool = False
) -> Network:
    """A network of static shapes: a batch goes through it in parts of its size, of which the last is filled up.

    Images that a loader has prepared are given in bytes to a network that prepares them itself.
    """
    if not inputs:
        raise ConfigError(f"{name} takes no inputs, so there is nothing to measure it on")
    size = inputs[0].shape[0] if inputs[0].shape else 1

    def call(batch: Batch, index: int) -> Any:
        where = f"batch {index} for {name}"
        given = list(batch.inputs)
        if processing is not None and processing.layout is not None and given and given[0].is_floating_point():
            given[0] = torch.from_numpy(processing.as_bytes(given[0].detach().cpu().numpy(), where))
        arrays = [fitting(x, spec, where) for x, spec in zip(given, inputs, strict=True)]
        if all(x.shape == spec.shape for x, spec in zip(arrays, inputs, strict=True)):
            found = [torch.from_numpy(value) for value in run(arrays)]
        else:
            rows, outputs = len(arrays[0]), zip(*map(run, _parts(arrays, size)), strict=True)
            found = [torch.from_numpy(np.concatenate(values)[:rows]) for values in outputs]
        return found[0] if len(found) == 1 else tuple(found)

    ends = None if processing is None else processing.postprocess
    return Network(name, by, Unpacking(tuple(spec.name for spec in inputs), len(inputs)), call, is_slow, ends)


def _parts(arrays: Sequence[Array], size: int) -> Iterator[list[Array]]:
    for start in range(0, len(arrays[0]), size):
        taken = [x[start : start + size] for x in arrays]
        missing = size - len(taken[0])
        yield [np.concatenate([x, np.repeat(x[-1:], missing, 0)]) if missing else x for x in taken]


def first_rows(batch: Batch, rows: int) -> Batch:
    """The first rows of a batch, and what of its targets goes with them."""
    count = len(batch.inputs[0])
    if rows >= count:
        return batch

    def cut(value: Any) -> Any:
        if isinstance(value, Tensor | np.ndarray):
            return value[:rows] if value.ndim and len(value) == count else value
        if isinstance(value, list):
            return value[:rows] if len(value) == count else [cut(part) for part in value]
        if isinstance(value, dict):
            return {key: cut(part) for key, part in value.items()}
        return tuple(map(cut, value)) if isinstance(value, tuple) else value

    return Batch(tuple(x[:rows] for x in batch.inputs), cut(batch.targets))
