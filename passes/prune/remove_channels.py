"""Remove channels from a graph: every tensor loses the entries that belong to them, every size follows.

Whatever reads such channels reads them through weights (``find_channels``). So there is an exact promise to hold the
result to: it computes what the whole graph computes with those weights at zero (``mask_channels``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from rdpass.passes.graph.editing import own_copy, tidy
from rdpass.passes.graph.node_kinds import callee
from rdpass.passes.prune.find_channels import Channels, Partition, Slot, Units

Change = Callable[[Tensor, Slot], Tensor]


def remove_channels(graph_module: GraphModule, channels: Channels, gone: Collection[int]) -> GraphModule:
    """A copy of the graph without the channels of the units ``gone``; its shapes are to be noted anew."""
    result = own_copy(graph_module)
    _change_tensors(result, channels.slots, lambda tensor, slot: tensor.index_select(slot.axis, _kept(slot, gone)))
    nodes = {node.name: node for node in result.graph.nodes}
    for size in channels.sizes:
        node, count = nodes[size.node], left(size.units, gone)
        if isinstance(size.place, str):
            setattr(result.get_submodule(str(node.target)), size.place, count)
        else:
            node.args = _put(node.args, size.place, count)
    for partition in channels.partitions:
        _take_apart(nodes[partition.node], partition, gone)
    return tidy(result)


def mask_channels(graph_module: GraphModule, channels: Channels, gone: Collection[int]) -> GraphModule:
    """A copy of the graph that reads nothing of the units ``gone``: those weights are zero."""
    result = own_copy(graph_module)
    reading = [slot for slot in channels.slots if slot.reads]
    _change_tensors(result, reading, lambda tensor, slot: tensor * _mask(tensor, slot, gone))
    return result


def _take_apart(node: Node, partition: Partition, gone: Collection[int]) -> None:
    """Move the bounds of a slice; let ``chunk`` and ``split`` have the sizes of their parts."""
    sizes = [left(part, gone) for part in partition.parts]
    if sizes == [len(part) for part in partition.parts]:
        return
    if callee(node) == "getitem":
        start, size = sizes
        node.args = _put(node.args, (1, partition.axis), slice(start, start + size))
    elif callee(node) == "slice":
        start, size = sizes
        node.args = (node.args[0], partition.axis, start, start + size)
    else:
        node.op, node.target = "call_function", torch.split
        node.args, node.kwargs = (node.args[0], sizes, partition.axis), {}


def left(units: Units, gone: Collection[int]) -> int:
    """How many of these entries stay."""
    return sum(unit not in gone for unit in units)


def _kept(slot: Slot, gone: Collection[int]) -> Tensor:
    return torch.tensor([place for place, unit in enumerate(slot.units) if unit not in gone], dtype=torch.long)


def _mask(tensor: Tensor, slot: Slot, gone: Collection[int]) -> Tensor:
    kept = torch.tensor([unit not in gone for unit in slot.units]).to(tensor)
    return kept.reshape([-1 if axis == slot.axis else 1 for axis in range(tensor.ndim)])


def _change_tensors(graph_module: GraphModule, slots: Collection[Slot], change: Change) -> None:
    """Change each tensor along all its axes, wherever it is held: what was shared stays shared."""
    holders: dict[int, list[tuple[nn.Module, str]]] = defaultdict(list)
    for module in graph_module.modules():
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            holders[id(tensor)].append((module, name))
    by_tensor = sorted(slots, key=lambda slot: slot.tensor)
    for path, own in groupby(by_tensor, key=lambda slot: slot.tensor):
        owner, _, name = path.rpartition(".")
        old = changed = getattr(graph_module.get_submodule(owner), name)
        for slot in own:
            changed = change(changed.detach(), slot)
        new = nn.Parameter(changed, old.requires_grad) if isinstance(old, nn.Parameter) else changed
        for module, attribute in holders[id(old)]:
            setattr(module, attribute, new)


def _put(args: Any, place: tuple[int, ...], value: object) -> Any:
    """Nested arguments with the one at ``place`` replaced."""
    if not place:
        return value
    items = list(args)
    items[place[0]] = _put(items[place[0]], place[1:], value)
    return type(args)(items) if isinstance(args, list) else tuple(items)
