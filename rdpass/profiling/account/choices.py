"""Accounts of the choices that a user has: the model as it is, and its plain student.

Each becomes ONNX as ``export`` writes it, but without its gates, and goes through every pass of lowering. The weights
are the model's own, and what their values do to the choice of kernels with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch.fx import GraphModule

from rdpass.core.errors import first_line
from rdpass.core.numeric_types import SINGLE, Precision
from rdpass.core.plan import Choice, Region, Skipped, Traced
from rdpass.deploy.lowering import lower_for, network_of
from rdpass.onnx.export import draft_onnx
from rdpass.onnx.source import OnnxSource, read_onnx
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.profiling.account.network import account_of
from rdpass.targets.target import Target


def estimate_choices(
    traced: Traced, removable: Sequence[Region], target: Target
) -> tuple[tuple[Choice, ...], tuple[Skipped, ...]]:
    """What the model costs on one core of ``target`` as it is, and without the shortcuts ``removable``.

    Returns:
        The choices that could be estimated, and the others' reasons.
    """
    networks: dict[str, Callable[[], GraphModule]] = {"as it is": lambda: traced.module}
    if removable:
        networks["plain"] = partial(remove_shortcuts, traced.module, removable)
    choices, skipped = [], []
    for network, build in networks.items():
        try:
            source = read_onnx(draft_onnx(build(), traced.example))
            choices.append(estimate(network, source, target))
        except Exception as error:  # whatever exporter and importer raise: the census stands without an estimate
            skipped.append(Skipped(network, first_line(error)))
    return tuple(choices), tuple(skipped)


def estimate(network: str, source: OnnxSource, target: Target, precision: Precision = SINGLE) -> Choice:
    """What an ONNX network costs on one core of ``target``, computing in ``precision``.

    Raises:
        ConfigError: TVM can't import the network.
        TargetError: the target does not compute so, or a figure of it is not known.
    """
    account = account_of(lower_for(network_of(source, target, precision), target), target)
    return Choice(
        network, precision, account.ms, account.cycles, account.dram_bytes, account.peak_bytes, account.weight_bytes
    )
