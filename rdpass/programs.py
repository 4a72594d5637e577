"""Models as files without code: ``torch.export`` programs (``.pt2``), with a batch size that stays free if it can."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule

from rdpass.errors import ConfigError
from rdpass.passes.fx.drop_whole_slices import drop_whole_slices


def export_program(module: nn.Module, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """``module`` as an exported program. Traced with twice the batch, since a batch of one would become a constant."""
    doubled = tuple(torch.cat([x, x]) if x.ndim else x for x in inputs)
    with _quiet():
        try:
            shapes = tuple({0: Dim.AUTO} if x.ndim else None for x in inputs)
            return torch.export.export(module, doubled, dynamic_shapes=shapes)
        except Exception:  # a model that takes one batch size only
            return torch.export.export(module, inputs)


def unpack_program(program: ExportedProgram) -> GraphModule:
    """The program as a graph module of aten operators, without run-time guards on shapes and slices that take all."""
    with _quiet():
        exported = program.module(check_guards=False)
    return drop_whole_slices(GraphModule(exported, exported.graph))


def save_program(module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
    """Write ``module`` and its weights to ``path`` (``.pt2``)."""
    program = export_program(module, inputs)
    program.example_inputs = (inputs, {})
    torch.export.save(program, path)


def load_program(path: Path) -> tuple[GraphModule, tuple[Tensor, ...]]:
    """The model in a ``.pt2`` file and the example it was exported with.

    Raises:
        ConfigError: there is no such file, or it is not an exported program.
    """
    try:
        with _quiet():
            program = torch.export.load(path)
    except Exception as error:
        raise ConfigError(f"{path} is not a readable torch.export program: {error}") from error
    arguments = program.example_inputs[0] if program.example_inputs else ()
    return unpack_program(program), tuple(arguments)


@contextmanager
def _quiet() -> Iterator[None]:
    """What torch logs and prints while it exports is about itself; what a user has to know comes as an exception."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
