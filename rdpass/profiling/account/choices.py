"""Accounts of the choices that a user has: the model as it is, and its plain student, in every precision.

Each becomes ONNX as ``export`` writes it, but without its gates, and goes through every pass of lowering. The weights
are the model's own, and what their values do to the choice of kernels with them. For int8 the ranges are those of one
random input: which kernels there are, and what they cost, does not depend on more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import onnx
from torch import Tensor
from torch.fx import GraphModule

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError, TargetError, first_line
from rdpass.core.numeric_types import BYTES, HALF, SINGLE, Precision
from rdpass.core.optimization import SPEED, Optimize
from rdpass.core.plan import Choice, Estimated, Region, Skipped, Traced
from rdpass.core.progress import progress
from rdpass.deploy.lowering import lower_for, network_of
from rdpass.deploy.precision import check_computes
from rdpass.kernels.builder.function import written_once
from rdpass.onnx.export import draft_onnx
from rdpass.onnx.source import OnnxSource, read_onnx
from rdpass.passes.distill.merge_pairs import merged_plain
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.quantize.calibrators import with_zero
from rdpass.passes.quantize.histograms import take_extremes
from rdpass.passes.quantize.place_qdq import place_qdq
from rdpass.passes.quantize.prepare import prepare
from rdpass.profiling.account.core_times import core_times
from rdpass.profiling.account.network import account_of
from rdpass.targets.target import Target

AS_IT_IS, PLAIN = "as it is", "plain"
"""The networks that every model has: its own, and the one without any shortcut that can leave."""
MERGED = "plain, pairs merged"
"""The plain one whose pairs of 1x1 convolutions are one each (``student.merge_pairs``)."""
STUDENT = "student"
"""The network that a conversion made."""


def estimate_choices(
    traced: Traced, removable: Sequence[Region], target: Target, show_progress: bool = False
) -> tuple[tuple[Choice, ...], tuple[Skipped, ...]]:
    """What the model costs on one core of ``target`` as it is and without the shortcuts ``removable``, in float32, in
    int8, and in float16 where the core computes so.

    Args:
        traced: the model.
        removable: its shortcuts.
        target: what it would be built for.
        show_progress: show on stderr what is under way.

    Returns:
        The choices that could be estimated, and the others' reasons, under ``choice_key``.
    """
    networks = {AS_IT_IS: traced.module}
    if removable:
        networks[PLAIN] = remove_shortcuts(traced.module, removable)
    return estimate_networks(networks, traced.example, target, precisions_of(target), show_progress)


def estimate_conversion(
    traced: Traced,
    removable: Sequence[Region],
    student: GraphModule,
    int8: onnx.ModelProto | None,
    target: Target,
    show_progress: bool = False,
    merges_pairs: bool = False,
) -> Estimated:
    """What a conversion was to give and what it gave, on one core of ``target``, in float32 and, where the student was
    made in int8 too, in int8.

    Args:
        traced: the model.
        removable: its shortcuts; none where channels left instead.
        student: what was made of it, with its inputs.
        int8: the student as a quantised file; None where there is none.
        target: what they would be built for.
        show_progress: show on stderr what is under way.
        merges_pairs: whether the student's pairs of 1x1 convolutions were merged, which is forecast too then.
    """
    networks = {AS_IT_IS: traced.module}
    if removable:
        networks[PLAIN] = remove_shortcuts(traced.module, removable)
    if merges_pairs and (merged := merged_plain(traced.module, removable)) is not None:
        networks[MERGED] = merged
    precisions = (SINGLE,) if int8 is None else (SINGLE, BYTES)
    with written_once():
        before = estimate_networks(networks, traced.example, target, precisions, show_progress)
        after = estimate_networks({STUDENT: student}, traced.example, target, (SINGLE,), show_progress)
        rounded = () if int8 is None else (_estimate_or_reason(STUDENT, lambda: read_onnx(int8), target, BYTES),)
    choices = (*before[0], *after[0], *(each for each in rounded if isinstance(each, Choice)))
    reasons = (Skipped(choice_key(STUDENT, BYTES), each) for each in rounded if isinstance(each, str))
    return Estimated(target.name, choices, (*before[1], *after[1], *reasons))


def estimate_networks(
    networks: Mapping[str, GraphModule],
    example: tuple[Tensor, ...],
    target: Target,
    precisions: Sequence[Precision],
    show_progress: bool = False,
) -> tuple[tuple[Choice, ...], tuple[Skipped, ...]]:
    """What each network costs on one core of ``target`` in each precision.

    Args:
        networks: graphs by name.
        example: their inputs.
        target: what they would be built for.
        precisions: of those that it computes in.
        show_progress: show on stderr what is under way.

    Returns:
        The choices that could be estimated, and the others' reasons, under ``choice_key``.
    """
    try:
        core_times(target)
    except TargetError as error:  # known before anything is exported
        return (), tuple(Skipped(network, first_line(error)) for network in networks)
    choices: list[Choice] = []
    skipped: list[Skipped] = []
    work = len(networks) * len(precisions)
    with written_once(), progress("estimate", work, show_progress) as shown:
        for network, module in networks.items():
            for precision, found in _estimates(network, module, example, target, precisions):
                if isinstance(found, Choice):
                    choices.append(found)
                else:
                    skipped.append(Skipped(choice_key(network, precision), found))
                shown.step(len(choices) + len(skipped), choice_key(network, precision))
    return tuple(choices), tuple(skipped)


def choice_key(network: str, precision: Precision) -> str:
    """The name of a choice: plain, plain in int8."""
    return network if precision == SINGLE else f"{network} in {precision}"


def _estimates(
    network: str, module: GraphModule, example: tuple[Tensor, ...], target: Target, precisions: Sequence[Precision]
) -> Iterator[tuple[Precision, Choice | str]]:
    """The choice of each precision, or the reason why there is none."""
    try:
        source = read_onnx(draft_onnx(module, example))
    except Exception as error:  # the exporter raises what it likes; the census stands without an estimate
        yield SINGLE, first_line(error)
        return
    for precision in precisions:
        yield precision, _estimate_or_reason(network, lambda: source, target, precision)


def _estimate_or_reason(
    network: str, read: Callable[[], OnnxSource], target: Target, precision: Precision
) -> Choice | str:
    try:
        return estimate(network, read(), target, precision)
    except Exception as error:  # quantiser and importer raise what they like
        return first_line(error)


def precisions_of(target: Target) -> tuple[Precision, ...]:
    """The precisions that a core computes in."""
    try:
        check_computes(target, HALF)
    except TargetError:
        return SINGLE, BYTES
    return SINGLE, HALF, BYTES


def estimate(
    network: str, source: OnnxSource, target: Target, precision: Precision = SINGLE, optimize: Optimize = SPEED
) -> Choice:
    """What an ONNX network costs on one core of ``target``, computing in ``precision``, with kernels chosen for
    ``optimize``. A float network is quantised for int8.

    Raises:
        ConfigError: it can't be quantised, or TVM can't import it.
        TargetError: the target does not compute so, or a figure of it is not known.
    """
    module = network_of(as_precision(source, precision), target, precision)
    account = account_of(lower_for(module, target, optimize=optimize), target)
    return Choice(
        network, precision, account.ms, account.cycles, account.dram_bytes, account.peak_bytes, account.weight_bytes,
        account.code_bytes,
    )  # fmt: skip


def as_precision(source: OnnxSource, precision: Precision) -> OnnxSource:
    """The network to compute in ``precision``: for int8 with every weight and tensor quantised as ``quantize`` does.

    Raises:
        ConfigError: it can't be quantised.
    """
    return _quantised(source) if precision == BYTES and not source.is_quantised else source


def _quantised(source: OnnxSource) -> OnnxSource:
    model = prepare(source.model)
    feed = [_made_up(spec.shape, spec.dtype) for spec in source.inputs]
    ranges = {name: with_zero(*found) for name, found in take_extremes(model, [feed]).items()}
    found = read_onnx(place_qdq(model, ranges))
    if not found.is_quantised:
        raise ConfigError("the network has no layer that int8 takes")
    return found


def _made_up(shape: Sequence[int], dtype: str) -> Array:
    """Normal numbers; of whole ones zeros, which index anything."""
    if not dtype.startswith("float"):
        return np.zeros(shape, dtype)
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)
