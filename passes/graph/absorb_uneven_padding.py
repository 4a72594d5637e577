"""Zero padding unlike on both sides becomes the convolution's own, and what is cut off its end is not computed.

A causal convolution is written either way: zeros before its input alone, or zeros on both sides and the last outputs
cut off again. As one layer (``layers.UnevenConv1d``) it has a tap at the output's own position, its last.
"""

from __future__ import annotations

from torch.fx import GraphModule, Node

from rdpass.passes.graph.editing import own_copy, place_module, tidy
from rdpass.passes.graph.linear.dirac import Convolution, with_padding, zeros_around
from rdpass.passes.graph.node_kinds import CONVOLUTIONS, callee, module_of
from rdpass.passes.graph.zero_padding import Branches, zero_padding


def absorb_uneven_padding(graph_module: GraphModule) -> GraphModule:
    """A copy of the graph in which every such convolution is one layer; its map never grows beyond what it reads."""
    result = own_copy(graph_module)
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
    if _place(graph_module, node, conv, before, after):
        node.replace_input_with(pad, pad.all_input_nodes[0])


def _absorb_crop(graph_module: GraphModule, node: Node) -> None:
    crop, conv = next(iter(node.users), None), module_of(graph_module, node)
    if crop is None or len(node.users) != 1 or not isinstance(conv, CONVOLUTIONS):
        return
    cut = _cut_off(crop, len(conv.kernel_size))
    if cut is None or any(off and step != 1 for off, step in zip(cut, conv.stride, strict=True)):
        return
    before, after = zeros_around(conv)
    if _place(graph_module, node, conv, before, tuple(own - off for own, off in zip(after, cut, strict=True))):
        _skip(graph_module, crop, node)
        then = next(iter(node.users), None)
        if then is not None and callee(then) == "contiguous":  # what was cut off had left a view
            _skip(graph_module, then, node)


def _skip(graph_module: GraphModule, gone: Node, node: Node) -> None:
    gone.replace_all_uses_with(node)
    graph_module.graph.erase_node(gone)


def _place(graph_module: GraphModule, node: Node, conv: Convolution, before: Branches, after: Branches) -> bool:
    """Let ``node`` call ``conv`` with these zeros, if there is such a layer; whether there is."""
    reach = [dilation * (kernel - 1) for dilation, kernel in zip(conv.dilation, conv.kernel_size, strict=True)]
    if min(*before, *after) < 0 or any(b + a > r for b, a, r in zip(before, after, reach, strict=True)):
        return False
    place_module(graph_module, node, with_padding(conv, before, after))
    return True


def _cut_off(node: Node, dims: int) -> Branches | None:
    """Positions per axis that a slice ``x[:, :, :-n]`` leaves out at the end; None for any other node."""
    if node.op != "call_function" or callee(node) != "getitem" or not isinstance(node.args[1], tuple):
        return None
    index = list(node.args[1])
    if index and index[0] is Ellipsis:
        index[:1] = [slice(None)] * (dims + 3 - len(index))
    index += [slice(None)] * (dims + 2 - len(index))
    if len(index) != dims + 2 or not all(isinstance(each, slice) and each.start in (None, 0) for each in index):
        return None
    if any(each.step not in (None, 1) or not isinstance(each.stop, int | None) for each in index):
        return None
    stops = [each.stop or 0 for each in index]
    return tuple(-stop for stop in stops[2:]) if max(stops) <= 0 and not any(stops[:2]) else None
