"""A model becomes a checked, canonical graph: ``trace(model, example) -> Traced``. The model itself is never run.

A ladder of tracers (``tracers``), each on a deep copy in eval mode; the first whose graph computes what the copy
computes wins.
"""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from rdpass.capture.example import infer_example
from rdpass.capture.float_form import widened
from rdpass.capture.hooks import drop_observers
from rdpass.capture.own_functions import copy_with_functions
from rdpass.capture.plain_copy import plain_copy
from rdpass.capture.plain_running import running_plainly
from rdpass.capture.scripted_parts import without_script
from rdpass.capture.tracers import NotFollowed, export, trace_symbolically, trace_with_leaves
from rdpass.core.agreement import check_agreement, run_quietly
from rdpass.core.dump import dump
from rdpass.core.errors import ConfigError, ParityError, TraceError, first_line
from rdpass.core.named_code import users_line
from rdpass.core.numeric_types import FLOAT32
from rdpass.core.plan import Traced
from rdpass.core.tensors import arrays_of, type_names
from rdpass.passes.graph.annotate import annotate
from rdpass.passes.graph.bake_weights import bake_weights
from rdpass.passes.graph.functionalise import functionalise
from rdpass.passes.graph.lift_layers import lift_layers

log = logging.getLogger(__name__)

TRACE_TOLERANCE = 1e-5
Example = Tensor | Sequence[Tensor] | None
Inputs = tuple[Tensor, ...]


def trace(model: nn.Module, example: Example = None, leaf: Sequence[str] = ()) -> Traced:
    """The canonical graph of ``model`` in eval mode, checked against it.

    Args:
        model: any module; it is copied and left exactly as it was.
        example: a tensor or a tuple of them, as ``model`` takes it; inferred from the first convolution if None.
        leaf: globs on the paths of submodules that symbolic tracing is to keep whole, as single nodes. Shortcuts in
            them are not looked for.

    Raises:
        ConfigError: not a module, or the example does not fit it.
        TraceError: no tracer gives a graph that computes the same; the message names the user's line, and the
            submodule to pass as a leaf.
    """
    if not isinstance(model, nn.Module):
        raise ConfigError(f"expected a torch.nn.Module, got {type(model).__name__}")
    inputs = as_inputs(model, example)
    copied = plain_copy(model)
    eager, notes = copied.module, copied.notes
    leaves = _existing(eager, tuple(leaf))
    ran = _copy_sharing_parameters(eager)  # what runs may cache things, and is not traced
    with running_plainly() as asked:
        outputs = drop_observers(eager, ran, lambda: _outputs(ran, inputs))
        for note in (*notes, *_notes_on_autocast(eager, asked)):
            log.warning(note)
        return _traced(without_script(eager, inputs, leaves), ran, inputs, outputs, leaves)


def _traced(eager: nn.Module, ran: nn.Module, inputs: Inputs, outputs: object, leaves: tuple[str, ...]) -> Traced:
    failures: list[_Failure] = []
    for name, tracer in _ladder(eager, inputs, leaves):
        try:
            return _canonical(name, tracer(), ran, inputs, outputs)
        except Exception as error:
            failures.append(_failure(name, error))
    raise TraceError(_message(eager, failures))


def as_inputs(model: nn.Module, example: Example) -> Inputs:
    """The example as a tuple of tensors, inferred where it is None; in float32 where it has 16 bits, and in float64
    where the model's numbers have it.

    Raises:
        ConfigError: it is something else.
        TraceError: there is nothing to infer it from.
    """
    inputs = (infer_example(model),) if example is None else (example,) if isinstance(example, Tensor) else example
    inputs = tuple(inputs)
    if not inputs or not all(isinstance(x, Tensor) for x in inputs):
        raise ConfigError("the example must be a tensor or a tuple of tensors, as the model takes them")
    kinds = {parameter.dtype for parameter in model.parameters()}
    doubled = kinds == {torch.float64}
    return tuple(_of_the_models_type(x.detach(), doubled) for x in inputs)


def _of_the_models_type(x: Tensor, doubled: bool) -> Tensor:
    return x.double() if doubled and x.is_floating_point() else widened(x)


def _notes_on_autocast(eager: nn.Module, asked: Sequence[torch.dtype]) -> tuple[str, ...]:
    kinds = type_names(asked)
    return (f"{type(eager).__name__} computes under autocast ({kinds}): read in {FLOAT32}",) if kinds else ()


def _ladder(
    eager: nn.Module, inputs: Inputs, leaves: tuple[str, ...]
) -> tuple[tuple[str, Callable[[], GraphModule]], ...]:
    return (
        ("symbolic_trace", lambda: trace_symbolically(_copy_sharing_parameters(eager), leaves)),
        ("leaf modules", lambda: trace_with_leaves(lambda: _copy_sharing_parameters(eager), leaves)),
        ("torch.export", lambda: export(_copy_sharing_parameters(eager), inputs)),
    )


def _copy_sharing_parameters(model: nn.Module) -> nn.Module:
    """A copy for those who change no weights; these are most of a model."""
    return copy_with_functions(model, {id(parameter): parameter for parameter in model.parameters()})


def _existing(model: nn.Module, leaves: tuple[str, ...]) -> tuple[str, ...]:
    paths = [path for path, _ in model.named_modules() if path]
    for glob in leaves:
        if not fnmatch.filter(paths, glob):
            raise ConfigError(f"leaf {glob!r} names no submodule of {type(model).__name__}")
    return leaves


def _outputs(eager: nn.Module, inputs: Inputs) -> object:
    """The model's outputs on the example, which it is hereby known to take."""
    shapes = ", ".join(f"{'x'.join(map(str, x.shape))}:{type_names([x.dtype])}" for x in inputs)
    try:
        outputs = run_quietly(eager, inputs)
    except Exception as error:
        raise ConfigError(
            f"{type(eager).__name__} does not take an input of shape {shapes}: {first_line(error)}"
        ) from error
    arrays_of(outputs)
    return outputs


def _canonical(tracer: str, graph_module: GraphModule, eager: nn.Module, inputs: Inputs, outputs: object) -> Traced:
    dump("trace", graph_module)
    for change in (functionalise, bake_weights):
        graph_module = change(graph_module)
        dump(change.__name__, graph_module)
    annotate(graph_module, inputs)  # as modules, layers give maps of the same shapes
    graph_module = lift_layers(graph_module).eval()
    dump("lift_layers", graph_module)
    gate = check_agreement("eager-traced", graph_module, eager, inputs, TRACE_TOLERANCE, outputs)
    return Traced(graph_module, inputs, (gate,), tracer)


@dataclass(frozen=True)
class _Failure:
    """The reason why a tracer failed, and the submodule, if it says."""

    reason: str
    path: str = ""


def _failure(tracer: str, error: Exception) -> _Failure:
    if isinstance(error, ParityError):
        return _Failure(f"{tracer}: {error}")
    path = error.path if isinstance(error, NotFollowed) else ""
    cause = error.__cause__ if isinstance(error, NotFollowed) and error.__cause__ else error
    return _Failure(f"{tracer}: {_place_of(cause)}{type(cause).__name__}: {first_line(cause)}", path)


def _message(model: nn.Module, failures: list[_Failure]) -> str:
    reasons = list(dict.fromkeys(failure.reason for failure in failures))
    path = next((failure.path for failure in reversed(failures) if failure.path), "")
    remedy = f"; or keep the submodule whole: leaf=[{path!r}], --leaf {path}" if path else ""
    return (
        f"{type(model).__name__} can't be turned into a graph; {'; '.join(reasons)}. Replace what depends on values at"
        f" that line, or convert the sub-network around it{remedy}"
    )


def _place_of(cause: BaseException) -> str:
    line = users_line(cause)
    return f"{line}: " if line else ""
