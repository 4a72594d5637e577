"""Zero padding that only a convolution reads becomes its own, and what is cut off its end is not computed.

1. Alike on both sides: the convolution pads more.
2. Unlike: a layer that pads unevenly (``layers.UnevenConv1d``), as far as its kernel reaches.
3. A causal convolution is written either way: zeros before its input alone, or zeros on both sides and the last outputs
   cut off again, at once or behind what works on each position by itself. As one layer it has a tap at the output's own
   position, its last.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.fx import GraphModule, Node

from rdpass.passes.graph.drop_whole_slices import slice_arguments
from rdpass.passes.graph.editing import own_copy, place_module, tidy
from rdpass.passes.graph.linear.dirac import Convolution, with_padding, zeros_around
from rdpass.passes.graph.node_kinds import CONVOLUTIONS, callee, kind_of, module_of
from rdpass.passes.graph.zero_padding import Branches, zero_padding

_POSITION_BY_POSITION = ("activation", "batch_norm", "pass")


def absorb_padding(graph_module: GraphModule) -> GraphModule:
    """A copy of the graph in which such pads and slices, and modules that pass their input on, are gone."""
    result = own_copy(graph_module)
    for node in list(result.graph.nodes):
        if kind_of(node) == "pass" and isinstance(module_of(result, node), nn.Identity):
            _skip(result, node, node.all_input_nodes[0])
    for node in list(result.graph.nodes):
        conv = module_of(result, node)
        if isinstance(conv, CONVOLUTIONS) and conv.padding_mode == "zeros":
            _absorb_pad(result, node, conv)
            _absorb_crop(result, node)
    return tidy(result)


def _absorb_pad(graph_module: GraphModule, node: Node, conv: Convolution) -> None:
    pad = node.args[0]
    if not isinstance(pad, Node) or len(pad.users) != 1:
        return
    added = zero_padding(graph_module, pad, len(conv.kernel_size))
    if added is None:
        return
    before, after = (
        tuple(own + more for own, more in zip(side, extra, strict=True))
        for side, extra in zip(zeros_around(conv), added, strict=True)
    )
    if before == after or _fits(conv, before, after):
        place_module(graph_module, node, with_padding(conv, before, after))
        node.replace_input_with(pad, pad.all_input_nodes[0])


def _absorb_crop(graph_module: GraphModule, node: Node) -> None:
    path, conv = _to_crop(node), module_of(graph_module, node)
    if path is None or not isinstance(conv, CONVOLUTIONS):
        return
    *passed, crop = path
    cut = _cut_off(crop, len(conv.kernel_size))
    if cut is None or any(off and step != 1 for off, step in zip(cut, conv.stride, strict=True)):
        return
    before, after = zeros_around(conv)
    left = tuple(own - off for own, off in zip(after, cut, strict=True))
    if not _fits(conv, before, left):
        return
    place_module(graph_module, node, with_padding(conv, before, left))
    for shorter in (node, *passed):
        if "tensor_meta" in crop.meta:
            shorter.meta["tensor_meta"] = crop.meta["tensor_meta"]
    last = passed[-1] if passed else node
    _skip(graph_module, crop, last)
    then = next(iter(last.users), None)
    if then is not None and callee(then) == "contiguous":  # what was cut off had left a view
        _skip(graph_module, then, last)


def _to_crop(node: Node) -> list[Node] | None:
    """The nodes behind a convolution to one that may cut it off, each the only reader of the one before."""
    path = [node]
    while len(path[-1].users) == 1:
        (reader,) = path[-1].users
        path.append(reader)
        if kind_of(reader) not in _POSITION_BY_POSITION:
            return path[1:]
    return None


def _skip(graph_module: GraphModule, gone: Node, source: Node) -> None:
    gone.replace_all_uses_with(source)
    graph_module.graph.erase_node(gone)


def _fits(conv: Convolution, before: Branches, after: Branches) -> bool:
    """Tell whether there is such a layer: its map does not grow beyond what it reads."""
    reach = [dilation * (kernel - 1) for dilation, kernel in zip(conv.dilation, conv.kernel_size, strict=True)]
    return min(*before, *after) >= 0 and all(b + a <= r for b, a, r in zip(before, after, reach, strict=True))


def _cut_off(node: Node, dims: int) -> Branches | None:
    """Positions per axis that a slice ``x[:, :, :-n]`` leaves out at the end; None for any other node."""
    index = _index_of(node, dims + 2)
    if index is None or not all(isinstance(each, slice) and each.start in (None, 0) for each in index):
        return None
    if any(each.step not in (None, 1) or not isinstance(each.stop, int | None) for each in index):
        return None
    stops = [each.stop or 0 for each in index]
    return tuple(-stop for stop in stops[2:]) if max(stops) <= 0 and not any(stops[:2]) else None


def _index_of(node: Node, rank: int) -> list[Any] | None:
    """A slice per axis, also where exporting wrote ``aten.slice``; None for any other node."""
    name = callee(node) if node.op == "call_function" else ""
    if name == "slice":
        part = slice_arguments(node)
        if not isinstance(part["dim"], int):
            return None
        alone = slice(part["start"], part["end"], part["step"])
        return [alone if axis == part["dim"] % rank else slice(None) for axis in range(rank)]
    given: Any = node.args[1] if name == "getitem" else None
    if not isinstance(given, tuple):
        return None
    index: list[Any] = list(given)
    if index and index[0] is Ellipsis:
        index[:1] = [slice(None)] * (rank + 1 - len(index))
    index += [slice(None)] * (rank - len(index))
    return index if len(index) == rank else None
