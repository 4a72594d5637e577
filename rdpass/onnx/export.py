"""``export_onnx``: a module becomes simplified ONNX that computes what torch computes, with the proof beside it.

1. Deploy form: batch norms folded, padding absorbed (torch against torch).
2. ``torch.onnx.export``, checked by ``onnx.checker`` and, under ONNX Runtime, against torch.
3. onnxsim, checked again.

The gates go into the file's metadata, and ``<stem>.golden.npz`` beside it holds the example and torch's outputs, tied
to the file by its digest. Nothing in the file names the machine it was written on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import onnx
import onnxsim
import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from rdpass.capture.plain_copy import plain_copy
from rdpass.capture.plain_running import running_plainly
from rdpass.capture.programs import quiet_torch
from rdpass.capture.trace import trace
from rdpass.core.agreement import check_agreement, outputs_in_double
from rdpass.core.comparison import Array, NumericGate, check_close, users_tolerance
from rdpass.core.errors import ParityError, TraceError, first_line, root_of
from rdpass.core.places import check_free
from rdpass.core.plan import Traced
from rdpass.core.tensors import arrays_of
from rdpass.onnx.double_oracle import exact_of
from rdpass.onnx.golden import TORCH, Golden, golden_path, save_with_golden
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import GATES_KEY
from rdpass.passes.graph.deploy_form import DEPLOY_FORM, FOLD_TOLERANCE
from rdpass.passes.graph.pass_manager import run_passes

OPSET = 18
TOLERANCE = 1e-5


def export_onnx(
    module: nn.Module,
    example: tuple[Tensor, ...],
    path: str | Path,
    *,
    gates: Sequence[NumericGate] = (),
    tolerance: float | None = None,
    force: bool = False,
) -> Path:
    """Write ``module`` to ``path`` for the example's very shapes, and return the path.

    Args:
        module: any module that ``trace`` takes; copied.
        example: its inputs; their values become the golden ones.
        gates: comparisons passed before, to be recorded first.
        tolerance: the largest relative error of every gate, in the place of its own; the gates say that it is the
            user's.
        force: replace a file that is there.

    Raises:
        ConfigError: the place can't be used.
        TraceError: the module can't be exported.
        ParityError: one of the three comparisons failed.
    """
    path = Path(path)
    for place in (path, golden_path(path)):
        check_free(place, force)
    with users_tolerance(tolerance):
        deploy = _deploy_form(module, example)
        example = deploy.example
        inputs = [x.detach().cpu().numpy() for x in example]
        with torch.no_grad():
            expected = arrays_of(deploy.module.eval()(*example))
        exported = _checked(_exported(deploy.module, example))
        passed = [*gates, *deploy.gates, _gate("onnx", exported, deploy, expected)]
        simplified = _checked(_simplified(exported))
        passed.append(_gate("onnx-simplified", simplified, deploy, expected))
    del simplified.metadata_props[:]
    simplified.metadata_props.add(key=GATES_KEY, value=json.dumps([asdict(gate) for gate in passed]))
    save_with_golden(simplified, Golden(tuple(inputs), tuple(expected), TORCH), path, force)
    return path


def draft_onnx(module: GraphModule, example: tuple[Tensor, ...]) -> onnx.ModelProto:
    """A traced ``module`` as ``export_onnx`` would write it, nothing checked: what estimates of its cost read.

    Raises:
        TraceError: it can't be exported.
    """
    stages = [replace(stage, tolerance=None) for stage in DEPLOY_FORM]
    return _simplified(_exported(run_passes(Traced(module, example), stages).module.eval(), example))


def _gate(name: str, model: onnx.ModelProto, deploy: Traced, expected: Sequence[Array]) -> NumericGate:
    """What ONNX Runtime makes of the file against torch, or, where its rounding is in the way, both in float64."""
    inputs = [x.detach().cpu().numpy() for x in deploy.example]
    exact = partial(outputs_in_double, deploy.module, deploy.example)
    found = run_onnx(model, inputs)
    return check_close(name, found, expected, TOLERANCE, exact, actual_exact=exact_of(model, inputs))


def _deploy_form(module: nn.Module, example: tuple[Tensor, ...]) -> Traced:
    """The graph as it is deployed, with one gate: against ``module`` itself."""
    folded = run_passes(trace(module, example), DEPLOY_FORM)
    eager = plain_copy(module).module
    with running_plainly():
        gate = check_agreement("deploy-form", folded.module, eager, folded.example, FOLD_TOLERANCE)
    return replace(folded, gates=(gate,))


def _exported(module: nn.Module, example: tuple[Tensor, ...]) -> onnx.ModelProto:
    with quiet_torch():
        try:
            program = torch.onnx.export(module, example, dynamo=True, opset_version=OPSET, verbose=False)
            assert program is not None
            written: onnx.ModelProto = program.model_proto
        except Exception as error:
            said = first_line(root_of(error))  # those raised of it are advice to torch's developers
            raise TraceError(
                f"{type(module).__name__} can't be exported to ONNX: {said}. What has no operator in ONNX is to be"
                " written with others, or left out of the network"
            ) from error
    return _anonymous(written)


def _simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    simplified: onnx.ModelProto
    simplified, sound = onnxsim.simplify(model)
    if not sound:
        raise ParityError("onnx-simplified: onnxsim's own check of its result failed")
    return simplified


def _checked(model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise TraceError(f"the exported ONNX is not valid: {error}") from error
    return model


def _anonymous(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the source lines, with their paths, that the exporter notes on every node and value."""
    graph = model.graph
    for holder in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del holder.metadata_props[:]
        holder.doc_string = ""
    del model.functions[:]
    return model
