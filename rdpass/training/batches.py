"""Unpack a loader's batches: the model's inputs in order, and the targets beside them.

With n the number of inputs that the model needs, a batch may be

1. a tensor (n = 1), or a list or tuple of n tensors: inputs alone;
2. (inputs, targets), inputs a tensor or a list or tuple of n tensors, targets anything;
3. n tensors and the targets after them, as ``TensorDataset`` gives them;
4. a dict with the model's inputs under the names of its ``forward`` (or ``inputs``); what is left is the targets: the
   value itself if there is one, else a dict.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.jit import ScriptModule
from torch.utils._pytree import tree_map

from rdpass.core.errors import ConfigError, DivergedError, RdpassError, first_line
from rdpass.core.tensors import type_names
from rdpass.training.faults import NotFinite
from rdpass.training.objective import Batch

Split = tuple[Any, Any]
_TARGETS = ("labels", "label", "targets", "target")


@dataclass(frozen=True)
class Unpacking:
    """Rule to take batches apart for one model: the names of its inputs, and how many of them it can't do without.

    ``example``: the types and shapes that it was read with, where its graph has them.
    """

    names: tuple[str, ...]
    needed: int
    example: tuple[Any, ...] = ()

    def batch(self, raw: Any, index: int) -> Batch:
        """The batch, where the loader put it.

        Raises:
            DivergedError: it has none of the forms above, no rows, or no dense numbers; the message gives its index and
                what it is.
            NotFinite: its inputs are not finite.
        """
        found, targets = self._split(raw) or (None, None)
        inputs: Any = (found,) if isinstance(found, Tensor) else found
        if not _are_tensors(inputs) or not self.needed <= len(inputs) <= max(1, len(self.names)):
            raise DivergedError(
                f"batch {index} is not (inputs, targets) for a model of {', '.join(self.names) or 'no inputs'}: got"
                f" {_form(raw)}"
            )
        if inputs and inputs[0].ndim and not len(inputs[0]):
            raise DivergedError(f"batch {index} has no rows; let the loader leave such batches out")
        if any(x.is_meta or x.layout != torch.strided for x in inputs):
            raise DivergedError(
                f"batch {index} holds inputs that are sparse, or on the meta device: give dense tensors"
            )
        if any(x.is_floating_point() and not torch.isfinite(x).all() for x in inputs):
            raise NotFinite(f"batch {index} holds inputs that are not finite", index, in_data=True)
        return Batch(tuple(inputs), targets)

    def _split(self, raw: Any) -> Split | None:
        if isinstance(raw, Tensor):
            return raw, None
        if isinstance(raw, Mapping):
            return self._split_mapping(raw)
        if not isinstance(raw, Sequence) or isinstance(raw, str) or not raw:
            return None
        if len(raw) == self.needed and _are_tensors(raw):
            return raw, None
        if len(raw) == 2 and not (self.needed > 1 and isinstance(raw[0], Tensor)):
            return raw[0], raw[1]
        if len(raw) == self.needed + 1:
            return raw[:-1], raw[-1]
        return None

    def _split_mapping(self, raw: Mapping[Any, Any]) -> Split | None:
        given = [name for name in self.names if name in raw]
        if len(given) >= self.needed and given == list(self.names[: len(given)]):
            inputs: Any = [raw[name] for name in given]
        elif "inputs" in raw:
            given, inputs = ["inputs"], raw["inputs"]
        else:
            return None
        rest = {key: value for key, value in raw.items() if key not in given}
        return inputs, (next(iter(rest.values())) if len(rest) == 1 else rest or None)


def unpacking_for(model: nn.Module) -> Unpacking:
    """Read off the model's graph, or off the signature of its ``forward``: optional labels, by which some models give
    their loss, are a batch's targets.
    """
    if isinstance(model, GraphModule):
        nodes = [node for node in model.graph.nodes if node.op == "placeholder"]
        metas = tuple(node.meta.get("tensor_meta") for node in nodes)
        example = metas if all(metas) else ()
        return Unpacking(tuple(str(node.target) for node in nodes), sum(not node.args for node in nodes), example)
    needed = {name: is_needed for name, is_needed in _arguments(model) if is_needed or name not in _TARGETS}
    return Unpacking(tuple(needed), sum(needed.values()))


def _arguments(model: nn.Module) -> Iterator[tuple[str, bool]]:
    """The names of what its ``forward`` takes in order, and whether it can't do without."""
    if isinstance(model, ScriptModule):  # a function without a signature
        forward: Any = model.forward
        arguments = forward.schema.arguments[1:]  # but for itself
        yield from ((argument.name, not argument.has_default_value()) for argument in arguments)
        return
    for parameter in inspect.signature(model.forward).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            yield parameter.name, parameter.default is parameter.empty


def _forms(inputs: Sequence[Any]) -> list[tuple[torch.dtype, tuple[int, ...]]]:
    return [(x.dtype, tuple(x.shape[1:])) for x in inputs]


def form_of_rows(inputs: Sequence[Any]) -> str:
    """As people write sizes: Nx3x224x224:float32."""
    return ", ".join(f"{'x'.join(['N', *map(str, x.shape[1:])])}:{type_names([x.dtype])}" for x in inputs)


def rows_of(batch: Batch) -> int:
    """Samples of a batch: the first axis of its first input."""
    return batch.inputs[0].shape[0] if batch.inputs[0].ndim else 1


def placed(batch: Batch, device: str, layout: torch.memory_format) -> Batch:
    """The batch on ``device``, its maps (N, C, H, W) in ``layout``."""
    inputs = [x.to(device, non_blocking=True) for x in batch.inputs]
    targets = tree_map(lambda x: x.to(device, non_blocking=True) if isinstance(x, Tensor) else x, batch.targets)
    return Batch(tuple(x.contiguous(memory_format=layout) if x.ndim == 4 else x for x in inputs), targets)


def _are_tensors(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(item, Tensor) for item in value)


def _form(raw: Any) -> str:
    if isinstance(raw, Mapping):
        return f"a dict of {', '.join(map(repr, raw))}"
    if isinstance(raw, list | tuple):
        return f"a {type(raw).__name__} of {', '.join(type(item).__name__ for item in raw) or 'nothing'}"
    return type(raw).__name__


@contextmanager
def step_named(
    batches: Sequence[Batch], first: int, example: Sequence[Any] = (), kind: str = "batch"
) -> Iterator[None]:
    """Say at which batch a step fails for what is in it.

    Targets that don't go with the outputs are one reason. Another is a batch of one row: a batch norm behind global
    pooling has one value there, and no variance. Others are inputs of another type or shape than the network was read
    with. ``first``: the index of the first of ``batches``; ``example``: types and shapes that the network takes.

    Raises:
        ConfigError: the outputs or targets can't be measured, or the network fails on inputs that are unlike
            ``example``.
        DivergedError: the step failed on a batch of one row.
    """
    try:
        yield
    except ConfigError as error:
        last = first + len(batches) - 1
        raise ConfigError(f"{kind} {first}{f' to {last}' if last > first else ''}: {error}") from error
    except RdpassError:
        raise
    except Exception as error:  # whatever a network meets first
        other = [index for index, batch in enumerate(batches) if _forms(batch.inputs) != _forms(example)]
        if example and other:
            raise ConfigError(
                f"{kind} {first + other[0]} holds inputs of {form_of_rows(batches[other[0]].inputs)}, and the network"
                f" takes {form_of_rows(example)}: {first_line(error)}"
            ) from error
        lone = [first + index for index, batch in enumerate(batches) if rows_of(batch) == 1]
        if not isinstance(error, ValueError) or not lone:
            raise
        raise DivergedError(
            f"{kind} {lone[0]} has one row: {error}; take larger batches, and let the loader drop a last one as small"
            " (drop_last=True)"
        ) from error
