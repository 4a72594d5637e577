"""A model becomes a checked, canonical graph: ``trace(model, example) -> Traced``. The model itself is never run.

A ladder of tracers, each on a deep copy in eval mode; the first whose graph computes what the copy computes wins:

1. ``torch.fx.symbolic_trace`` keeps modules, so the student trains like any model.
2. ``torch.export`` handles control flow on shapes; ``lift_layers`` turns its operators back into modules.

Checked on the example, on a random input of its shape and on twice the batch, where the model takes that.
"""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.nn.utils import parametrize

from rdpass.comparison import Gate, check_close
from rdpass.dump import dump
from rdpass.errors import ConfigError, ParityError, TraceError
from rdpass.passes.fx.functionalise import functionalise
from rdpass.passes.fx.lift_layers import lift_layers
from rdpass.passes.fx.shapes import annotate_shapes
from rdpass.programs import export_program, unpack_program
from rdpass.tensors import arrays_of
from rdpass.types import Traced

TRACE_TOLERANCE = 1e-5
Example = Tensor | Sequence[Tensor] | None


def trace(model: nn.Module, example: Example = None) -> Traced:
    """The canonical graph of ``model`` in eval mode, checked against it.

    Args:
        model: any module; it is copied and left exactly as it was.
        example: a tensor or a tuple of them, as ``model`` takes it; inferred from the first convolution if None.

    Raises:
        ConfigError: not a module, or the example does not fit it.
        TraceError: no tracer gives a graph that computes the same; the message names the user's line.
    """
    if not isinstance(model, nn.Module):
        raise ConfigError(f"expected a torch.nn.Module, got {type(model).__name__}")
    inputs = as_inputs(model, example)
    eager = _without_parametrizations(copy.deepcopy(model).eval())
    _check_example(eager, inputs)
    failures = []
    for name, tracer in (("symbolic_trace", _symbolic), ("torch.export", _exported)):
        try:
            return _canonical(tracer(eager, inputs), eager, inputs)
        except ParityError as error:
            failures.append(f"{name}: {error}")
        except Exception as error:
            failures.append(f"{name}: {_users_line(error)}{type(error).__name__}: {_first_line(error)}")
    raise TraceError(
        f"{type(model).__name__} can't be turned into a graph; {'; '.join(failures)}."
        " Replace what depends on values at that line, or convert the sub-network around it"
    )


def as_inputs(model: nn.Module, example: Example) -> tuple[Tensor, ...]:
    """The example as a tuple of tensors, inferred where it is None."""
    if example is None:
        from rdpass.example import infer_example

        return (infer_example(model),)
    inputs = (example,) if isinstance(example, Tensor) else tuple(example)
    if not inputs or not all(isinstance(x, Tensor) for x in inputs):
        raise ConfigError("the example must be a tensor or a tuple of tensors, as the model takes them")
    return tuple(x.detach() for x in inputs)


def _without_parametrizations(model: nn.Module) -> nn.Module:
    """Weights that are computed anew at every call (weight norm and its like) become what they are in eval mode.

    Passes read and fold weights, and such a layer would overwrite what they fold. ``remove_parametrizations`` won't do:
    it changes a class that a copy shares with the module it was copied from.
    """
    for module in list(model.modules()):
        if parametrize.is_parametrized(module):
            names = list(module.parametrizations)  # type: ignore[arg-type]
            values = {name: getattr(module, name).detach().clone() for name in names}
            module.__class__ = parametrize.type_before_parametrizations(module)
            del module.parametrizations
            for name, value in values.items():
                module.register_parameter(name, nn.Parameter(value))
    return model


def _check_example(eager: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    shapes = ", ".join("x".join(map(str, x.shape)) for x in inputs)
    try:
        with torch.no_grad():
            outputs = copy.deepcopy(eager)(*inputs)
    except Exception as error:
        raise ConfigError(
            f"{type(eager).__name__} does not take an input of shape {shapes}: {_first_line(error)}"
        ) from error
    arrays_of(outputs)


def _symbolic(eager: nn.Module, inputs: tuple[Tensor, ...]) -> GraphModule:
    return torch.fx.symbolic_trace(copy.deepcopy(eager))


def _exported(eager: nn.Module, inputs: tuple[Tensor, ...]) -> GraphModule:
    return unpack_program(export_program(copy.deepcopy(eager), inputs))


def _canonical(graph_module: GraphModule, eager: nn.Module, inputs: tuple[Tensor, ...]) -> Traced:
    for stage, change in (("trace", None), ("functionalise", functionalise), ("lift_layers", lift_layers)):
        if change is not None:
            graph_module = change(graph_module)
        annotate_shapes(graph_module, inputs)
        dump(stage, graph_module)
    graph_module.eval()
    gate = check_agreement("eager-traced", graph_module, copy.deepcopy(eager), inputs, TRACE_TOLERANCE)
    return Traced(graph_module, inputs, (gate,))


def check_agreement(
    name: str,
    actual: Callable[..., object],
    expected: Callable[..., object],
    inputs: tuple[Tensor, ...],
    tolerance: float,
) -> Gate:
    """Compare two modules on the example, on random numbers of its shape and on twice the batch.

    Raises:
        ParityError: they differ by more than ``tolerance`` relative to the largest output.
    """
    worst = 0.0
    for trial in (inputs, _random_like(inputs), _twice_the_batch(inputs)):
        with torch.no_grad():
            try:
                wanted = expected(*(x.clone() for x in trial))
            except Exception:
                if trial is inputs:
                    raise
                continue  # the model itself does not take this batch size or these numbers
            got = actual(*(x.clone() for x in trial))
        worst = max(worst, check_close(name, arrays_of(got), arrays_of(wanted), tolerance).error)
    return Gate(name, worst, tolerance)


def _random_like(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(x.shape, generator=generator).to(x) if x.is_floating_point() else x.clone() for x in inputs
    )


def _twice_the_batch(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.cat([x, 0.5 * x if x.is_floating_point() else x]) if x.ndim else x for x in inputs)


def _users_line(error: BaseException) -> str:
    """``file:line`` of the innermost frame that is neither torch's nor ours, with a colon; empty if there is none."""
    ours = (str(Path(torch.__file__).parent), str(Path(__file__).parent), "<")
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(ours)]
    return f"{frames[-1].filename}:{frames[-1].lineno} ({frames[-1].line}): " if frames else ""


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
