"""``prune``: a network with fewer channels, chosen over all layers by their importance, held to an exact promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from torch.fx import GraphModule

from rdpass.core.agreement import check_agreement
from rdpass.core.errors import ConfigError, NothingToConvert, PassError, first_line
from rdpass.core.plan import Skipped, Traced, Width
from rdpass.passes.graph.annotate import annotate
from rdpass.passes.prune.choose_channels import channel_sets, choose_channels
from rdpass.passes.prune.find_channels import Channels, find_channels
from rdpass.passes.prune.importance import Scores, magnitude
from rdpass.passes.prune.remove_channels import left, mask_channels, remove_channels

TOLERANCE = 1e-5


@dataclass(frozen=True)
class Pruned:
    """A network with fewer channels.

    Args:
        traced: it; the gate ``pruned`` says how near it is to the whole one that reads nothing of what is gone.
        widths: of every layer, by path, in graph order.
        skipped: layers that keep all channels because they have to, by node, and why.
    """

    traced: Traced
    widths: tuple[Width, ...]
    skipped: tuple[Skipped, ...]


def prune(
    traced: Traced,
    share: float,
    *,
    multiple: int = 1,
    floor: float = 0.25,
    importance: Callable[[GraphModule, Channels], Scores] = magnitude,
    widths: Mapping[str, int] | None = None,
) -> Pruned:
    """Take the least important channels out of a network, wherever its layers agree on them.

    Inputs and outputs keep their sizes. The network given stays as it is.

    Args:
        traced: a network.
        share: of its multiply-accumulates that are to leave, more than 0 and less than 1.
        multiple: that the widths of shrunken layers are to be of: the channels of a block of the target's kernels
            (``isa_of(target).block(FLOAT32)``), so that none of what is gone still costs time.
        floor: the fraction of its width that every layer keeps at least.
        widths: of layers, by path, that the floor is a fraction of, where this is a step among several; None for those
            of the network given.
        importance: a score per unit of channels; ``functools.partial(taylor, losses=…)`` for one that uses data.

    Raises:
        ConfigError: a share, multiple or floor that can't be.
        NothingToConvert: there is no channel that could leave.
        ParityError: the pruned network is not the whole one that reads nothing of what is gone.
        PassError: it does not even run.

    Example:
        >>> from rdpass.capture.trace import trace
        >>> pruned = prune(trace(model, example), 0.2)
        >>> [(width.before, width.after) for width in pruned.widths]
        [(4, 3), (4, 4), (4, 3), (8, 7), (8, 8), (8, 8), (4, 4)]
    """
    if not 0 < share < 1 or multiple < 1 or not 0 <= floor <= 1:
        raise ConfigError(
            f"a share of {share}, multiples of {multiple} and a floor of {floor} can't be: the share is more than 0 and"
            " less than 1, the multiple 1 or more, the floor from 0 to 1"
        )
    channels = find_channels(traced.module, traced.example)
    if not channel_sets(channels):
        reasons = {f"{skipped.add} ({skipped.reason})": None for skipped in channels.fixed.values()}
        raise NothingToConvert(
            f"no layer has channels that could leave: {'; '.join([*reasons][:4]) or 'there is none'}"
        )
    gone, skipped = choose_channels(channels, importance(traced.module, channels), share, multiple, floor, widths)
    module = remove_channels(traced.module, channels, gone)
    try:
        annotate(module, traced.example)
    except RuntimeError as error:
        raise PassError(f"prune left layers that do not fit each other: {first_line(error)}") from error
    masked = mask_channels(traced.module, channels, gone)
    gate = check_agreement("pruned", module, masked, traced.example, TOLERANCE)
    told = tuple(Width(layer.path, len(layer.writes), left(layer.writes, gone)) for layer in channels.layers)
    return Pruned(replace(traced, module=module, gates=(*traced.gates, gate)), told, skipped)
