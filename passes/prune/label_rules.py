"""Rules of a run of labels: what a node does to the channels that it reads (cases 1 to 6 of ``find_channels``).

A rule is given the run, the node and what it computes on the example. It gives the labels of that, or says why all
channels that the node reads have to stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.fx.node import map_arg
from torch.utils._pytree import tree_map_only

from rdpass.core.errors import first_line
from rdpass.core.tensors import tensors_in
from rdpass.passes.graph.node_kinds import BATCH_NORMS, TRANSPOSED, callee, kind_of, module_of
from rdpass.passes.prune.labels import along, compact, varying, vector_along

if TYPE_CHECKING:
    from rdpass.passes.prune.find_channels import LabelRun

INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
ELEMENTWISE = frozenset({"exp", "log", "sqrt", "rsqrt", "abs", "square", "pow", "reciprocal", "sign", "erf"})
"""Functions of one map that have no kind of their own and act on every number alone."""
SIZED = ("view", "reshape", "expand")
"""Those that are told the sizes of their result, by all arguments but the first."""


def labels_by_rule(run: LabelRun, n: Node, result: Any) -> Any:
    """The labels of what a node computes, or the reason why what it reads has to stay."""
    if n.op in ("placeholder", "output"):
        return f"{'an input' if n.op == 'placeholder' else 'an output'} of the network"
    rule = RULES.get(kind_of(n)) or (_unchanged if callee(n) in ELEMENTWISE else None)
    if rule is None:
        module = module_of(run.graph_module, n)
        return f"{callee(n) if module is None else type(module).__name__} needs all channels"
    return rule(run, n, result)


def _layer(run: LabelRun, n: Node, result: Tensor) -> Tensor | str:
    """Cases 1 and 5."""
    module, read = module_of(run.graph_module, n), run.map_read(n)
    if not isinstance(module, nn.Linear | nn.modules.conv._ConvNd) or read is None or not run.is_stored(module.weight):
        return "its weights are computed"
    axis = read.ndim - (1 if isinstance(module, nn.Linear) else module.weight.ndim - 1)
    if not varying(read) <= {axis}:
        return "it reads channels of several axes"
    vector = vector_along(read, axis)
    written, factors = (_transposed if isinstance(module, TRANSPOSED) else _direct)(run, n, module, vector)
    if module.bias is not None:
        run.labels.unite(run.slot(module.bias, 0), written)
    what = "features" if isinstance(module, nn.Linear) else "channels"
    run.sizes += [(n, f"in_{what}", vector), (n, f"out_{what}", written)]
    run.note_layer(n, module.weight, vector, written, factors)
    return along(written, axis, result.shape)


def _direct(run: LabelRun, n: Node, module: Any, read: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """A weight (C_out, C_in / groups, …): the channels written, and what the layer's products are proportional to."""
    groups = getattr(module, "groups", 1)
    written, rows = run.slot(module.weight, 0), read.reshape(groups, -1)
    if _tied(run, n, written.reshape(groups, -1), rows):
        return written, (written,)
    inner = run.slot(module.weight, 1, reads=True)
    run.labels.unite(rows, inner)
    return written, (written, inner)


def _transposed(run: LabelRun, n: Node, module: Any, read: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """A weight (C_in, C_out / groups, …), likewise."""
    groups, rows = module.groups, read.reshape(module.groups, -1)
    written = run.labels.fresh(module.out_channels)
    whole = _tied(run, n, written.reshape(groups, -1), rows)
    outer = run.slot(module.weight, 0, reads=not whole)
    run.labels.unite(outer, read)
    if whole:
        return written, (outer,)
    inner = run.slot(module.weight, 1)
    run.labels.unite(written.reshape(groups, -1), inner)
    return written, (outer, inner)


def _tied(run: LabelRun, n: Node, written: Tensor, read: Tensor) -> bool:
    """Unite what a grouped convolution can't lose apart, both (groups, channels of one); whether whole groups leave."""
    groups, whole = len(written), len(written) >= min(written.shape[1], read.shape[1])
    if groups == 1:
        return False
    if whole:
        run.sizes.append((n, "groups", read[:, 0]))
        run.labels.unite(read, read[:, :1])
        run.labels.unite(written, read[:, :1])
    else:
        run.labels.unite(read, read[:1])
        run.labels.unite(written, written[:1])
    return whole


def _norm(run: LabelRun, n: Node, result: Tensor) -> Tensor | str:
    module, read = module_of(run.graph_module, n), run.map_read(n)
    if read is None or not isinstance(module, (*BATCH_NORMS, *INSTANCE_NORMS)):
        return "it normalises over channels"
    if not varying(read) <= {1} or (isinstance(module, INSTANCE_NORMS) and read.ndim < 3):
        return "it normalises another axis than that of channels"
    for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        if tensor.ndim:
            run.labels.unite(run.slot(tensor, 0), vector_along(read, 1))
    run.sizes.append((n, "num_features", vector_along(read, 1)))
    return read


def _activation(run: LabelRun, n: Node, result: Tensor) -> Tensor | str:
    """Case 2: its own numbers, if any, are one in all, one a channel, or broadcast."""
    module, read = module_of(run.graph_module, n), run.map_read(n)
    if read is None or read.shape != result.shape:
        return "it reads several maps"
    for tensor in () if module is None else (*module.parameters(), *module.buffers()):
        if tensor.numel() > 1:
            own = run.stored(tensor)
            run.labels.unite(read, own.reshape(-1, *[1] * (read.ndim - 2)) if own.ndim == 1 else own)
            if isinstance(module, nn.PReLU):
                run.sizes.append((n, "num_parameters", own))
    return read


def _unchanged(run: LabelRun, n: Node, result: Any) -> Tensor | str:
    read = run.map_read(n)
    same = read is not None and isinstance(result, Tensor) and read.shape == result.shape
    return read if read is not None and same else "it reads several maps"


def _pooled(run: LabelRun, n: Node, result: Any) -> Tensor | str:
    read = run.map_read(n)
    if read is None or not isinstance(result, Tensor):
        return "it reads or gives several maps"
    if n.op != "call_module" and callee(n) in ("mean", "amax"):
        return _reduced(n, read, result)
    if read.ndim < 3 or not varying(read) <= {1}:
        return "it pools over channels"
    return along(vector_along(read, 1), 1, result.shape)


def _reduced(n: Node, read: Tensor, result: Tensor) -> Tensor | str:
    """A mean or maximum over some axes."""
    given: Any = n.args[1] if len(n.args) > 1 else n.kwargs.get("dim")
    listed = range(read.ndim) if given is None else given if isinstance(given, tuple | list) else (given,)
    axes = {axis % read.ndim for axis in listed}
    if axes & varying(read):
        return "it reduces over channels"
    if result.ndim != read.ndim:
        for axis in sorted(axes, reverse=True):
            read = read.select(axis, 0)
    return compact(read).expand(result.shape)


def _resized(run: LabelRun, n: Node, result: Any) -> Tensor | str:
    """Padding or resizing of a map's other axes."""
    read = run.map_read(n)
    if read is None or not isinstance(result, Tensor) or read.ndim != result.ndim:
        return "it reads several maps"
    if any(read.shape[axis] != result.shape[axis] for axis in varying(read)):
        return "it changes how many channels there are"
    return compact(read).expand(result.shape)


def _pointwise(run: LabelRun, n: Node, result: Any) -> Tensor | str:
    """Case 3. A map of one channel that is broadcast over those of another has nothing in common with them."""
    maps = [run.seen[source] for source in n.all_input_nodes if run.seen[source] is not None]
    if not isinstance(result, Tensor) or not all(isinstance(labels, Tensor) for labels in maps):
        return "it reads or gives several maps"
    if any(run.seen[source] is None for source in n.all_input_nodes):
        return "it computes with sizes, and would with others"
    aligned = [labels.reshape(*[1] * (result.ndim - labels.ndim), *labels.shape) for labels in maps]
    channels = frozenset[int]().union(*map(varying, aligned))
    whole = [labels for labels in aligned if all(labels.shape[axis] == result.shape[axis] for axis in channels)]
    if not whole:
        return "it joins maps of different channels"
    for labels in whole[1:]:
        run.labels.unite(whole[0], labels)
    widest = max(whole, key=lambda labels: compact(labels).numel())
    return compact(widest).expand(result.shape)


def _taken(run: LabelRun, n: Node, result: Any) -> Any:
    """Case 4: an item of several maps, all maps that one is taken apart into, or a part of one."""
    maps = run.seen[n.all_input_nodes[0]]
    if isinstance(maps, tuple | list) and callee(n) == "getitem":
        return maps[n.args[1]]  # type: ignore[index]
    read, parts = run.map_read(n), _rerun(run, n)
    if read is None or isinstance(parts, str):
        return "it reads several maps" if read is None else parts
    if isinstance(parts, Tensor):
        return _part(run, n, read, parts)
    if len(varying(read)) != 1 or any(varying(part) != varying(read) for part in parts):
        return "it takes more than channels apart"
    [axis] = varying(read)
    vectors = [vector_along(part, axis) for part in parts]
    if not torch.equal(torch.cat(vectors), vector_along(read, axis)):
        if any(len(vector) != read.shape[axis] for vector in vectors):
            return "it takes channels apart in another order"
        return tuple(parts)  # along another axis
    run.partitions.append((n, axis, vectors))
    return tuple(parts)


def _part(run: LabelRun, n: Node, read: Tensor, part: Tensor) -> Any:
    channels = varying(read)
    if len(channels) != 1 or part.ndim != read.ndim or part.shape[min(channels)] == read.shape[min(channels)]:
        return _followed(run, n, read, part)
    [axis] = channels
    source, vector = vector_along(read, axis), vector_along(part, axis)
    start = _start(n, axis, len(source))
    if start is None or not torch.equal(source[start : start + len(vector)], vector):
        return "it takes channels by their numbers"
    run.partitions.append((n, axis, [source[:start], vector]))
    return part


def _start(n: Node, axis: int, size: int) -> int | None:
    """The first channel that a slice takes; None where it is no slice, or has no form that can be written anew."""
    if callee(n) == "slice" and len(n.args) > 3:  # of an exported program: map, axis, start, end
        return int(n.args[2]) if isinstance(n.args[2], int) and n.args[2] >= 0 else None
    index: Any = n.args[1] if callee(n) == "getitem" else None
    if not isinstance(index, tuple) or axis >= len(index) or not all(isinstance(each, slice) for each in index):
        return None
    start: int = index[axis].indices(size)[0]
    return start


def _moved(run: LabelRun, n: Node, result: Any) -> Any:
    """Case 4."""
    read, moved = run.map_read(n), _rerun(run, n)
    if read is None or not isinstance(result, Tensor):
        return "it reads or gives several maps"
    return moved if isinstance(moved, str) else _followed(run, n, read, moved)


def _followed(run: LabelRun, n: Node, read: Tensor, moved: Tensor) -> Tensor | str:
    """The channels are to stay in order, each as often as the others."""
    if not varying(moved) | varying(read):
        return moved
    if (len(varying(read)), len(varying(moved))) in ((1, 2), (2, 2), (2, 1)):
        return _regrouped(run, n, read, moved)
    if len(varying(moved)) != 1 or len(varying(read)) != 1:
        return "it mixes channels with other axes"
    [before], [after] = varying(read), varying(moved)
    source, vector = vector_along(read, before), vector_along(moved, after)
    times, rest = divmod(len(vector), len(source))
    if rest or not torch.equal(source.repeat_interleave(times), vector):
        return "it takes or moves channels by their numbers"
    if callee(n) == "unflatten" or isinstance(module_of(run.graph_module, n), nn.Unflatten):
        return "its sizes are written into the code"
    place = _written_size(n, after)
    if place is not None:
        run.sizes.append((n, place, vector))
    return compact(moved).expand(moved.shape)


def _regrouped(run: LabelRun, n: Node, read: Tensor, moved: Tensor) -> Tensor | str:
    """A shuffle of channels: one axis becomes two, these change places, and become one again.

    The same channels of each group leave, so that the axis of groups keeps its size, whatever is computed from it.
    """
    if callee(n) in ("transpose", "permute", "swapaxes", "movedim"):
        return moved
    if callee(n) not in SIZED or n.op == "call_module" or len(varying(moved)) + len(varying(read)) != 3:
        return "it mixes channels with other axes"
    if len(varying(moved)) == 1:
        [shrinking] = varying(moved)
        vector = vector_along(moved, shrinking)
    else:
        groups, shrinking = sorted(varying(moved))
        if not torch.equal(compact(moved).flatten(), compact(read).flatten()):
            return "it takes or moves channels by their numbers"
        if _written_size(n, groups) is None and _written_size(n, shrinking) is not None:
            groups, shrinking = shrinking, groups
        run.labels.unite(moved, moved.narrow(groups, 0, 1))
        vector = vector_along(moved, shrinking)
    place = _written_size(n, shrinking)
    if place is not None:
        run.sizes.append((n, place, vector))
    return moved


def _rerun(run: LabelRun, n: Node) -> Any:
    """What the node gives of labels in the place of maps; the reason where it can't be said."""

    def given(source: Node) -> Any:
        labels = run.seen[source]
        return run.env[source] if labels is None else tree_map_only(Tensor, Tensor.contiguous, labels)

    args: Any = map_arg(n.args, given)
    kwargs: Any = map_arg(n.kwargs, given)
    try:
        return getattr(run, n.op)(n.target, args, kwargs)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        return f"its channels can't be followed: {first_line(error)}"


def _written_size(n: Node, axis: int) -> tuple[int, ...] | None:
    """Where the size of its result along ``axis`` is written as a number among the node's arguments."""
    if callee(n) not in SIZED or n.op == "call_module" or len(n.args) < 2:
        return None
    place = (1, axis) if isinstance(n.args[1], tuple | list) else (1 + axis,)
    value: Any = n.args
    for index in place:
        value = value[index]
    return place if isinstance(value, int) and value != -1 else None


def _concatenated(run: LabelRun, n: Node, result: Any) -> Any:
    """Case 4 along the channels; along another axis, maps of the same channels."""
    maps = [labels for source in n.all_input_nodes for labels in tensors_in(run.seen[source])]
    if callee(n) == "stack" or any(labels.ndim != result.ndim for labels in maps):
        return "it stacks maps"
    given: Any = n.args[1] if len(n.args) > 1 else n.kwargs.get("dim", n.kwargs.get("axis", 0))
    axis, channels = given % result.ndim, frozenset[int]().union(*map(varying, maps))
    if channels <= {axis}:
        return _rerun(run, n)
    if axis in channels:
        return "it joins maps along several axes"
    for labels in maps[1:]:
        run.labels.unite(maps[0], labels)
    return compact(max(maps, key=lambda labels: compact(labels).numel())).expand(result.shape)


RULES: Mapping[str, Callable[[LabelRun, Node, Any], Any]] = {
    "conv": _layer, "conv_transpose": _layer, "linear": _layer,
    "batch_norm": _norm, "other_norm": _norm,
    "activation": _activation, "pass": _unchanged, "pool": _pooled, "pad": _resized, "resize": _resized,
    "add": _pointwise, "sub": _pointwise, "mul": _pointwise, "div": _pointwise,
    "concat": _concatenated, "view": _moved, "rearrange": _moved, "slice": _taken,
}  # fmt: skip
