"""``migrate``, and the activations between two 1x1 convolutions of neighbouring blocks annealed away: pairs merge.

A plain bottleneck network has, from block to block, a 1x1 convolution up to the wide map, an activation, and a 1x1
convolution down again. Nothing else reads the wide map once the shortcuts are gone. So with f the activation,

    f_s(x) = f(x) + s (x - f(x)),   s from 0 to 1 over the time in which the shortcuts fade,

and at the end the pair is linear: W = W_down W_up, b = W_down b_up + b_down, one 1x1 convolution between two narrow
maps. Only pairs that save multiply-accumulates are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor, nn
from torch.fx import GraphModule, Node

from benchmarks.research.recipes.fading_to_the_end import prepared_for_fading, train_fading
from rdpass.core.errors import PassError
from rdpass.core.plan import Plan, Traced
from rdpass.passes.distill.fade_shortcuts import fade_shortcuts
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.distill.reparam_init import initialise_branches
from rdpass.passes.distill.reparam_plan import Reparam, plan_reparam
from rdpass.passes.graph.editing import add_module, own_copy, place_module, tidy, turn_into_call
from rdpass.passes.graph.fold_batch_norm import fold_batch_norm
from rdpass.passes.graph.linear.dirac import Convolution, as_pointwise, bias_of, resized
from rdpass.passes.graph.node_kinds import CONVOLUTIONS, kind_of, module_of
from rdpass.recipes.catalogue import recipes
from rdpass.recipes.preparation import chosen_regions
from rdpass.recipes.recipe import Recipe, Removal
from rdpass.recipes.statistics import first_inputs
from rdpass.training.request import Request


class AnnealedActivation(nn.Module):
    """``f(x) + s (x - f(x))``: an activation on its way to none; ``strength`` (s) is set from outside."""

    rdpass_kind = "activation"

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation
        self.strength = 0.0

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(x)
        return y + self.strength * (x - y)


class Pair(NamedTuple):
    """Names of nodes: the convolution up, the activation behind it, the convolution down."""

    up: str
    activation: str
    down: str


def find_pairs(plain: GraphModule) -> tuple[Pair, ...]:
    """The pairs of a plain graph, batch norms folded, that are worth merging, in graph order."""
    return tuple(_pairs(plain))


def _pairs(plain: GraphModule) -> Iterator[Pair]:
    for node in plain.graph.nodes:
        if kind_of(node) != "activation" or len(node.all_input_nodes) != 1 or len(node.users) != 1:
            continue
        before, (after,) = node.all_input_nodes[0], node.users
        up, down = (module_of(plain, each) for each in (before, after))
        if len(before.users) == 1 and _saves(up, down):
            yield Pair(before.name, node.name, after.name)


def _saves(up: nn.Module | None, down: nn.Module | None) -> bool:
    if not isinstance(up, CONVOLUTIONS) or not isinstance(down, CONVOLUTIONS):
        return False
    if as_pointwise(up) is None or as_pointwise(down) is None or {*up.stride, *down.stride} != {1}:
        return False
    return up.in_channels * down.out_channels < up.out_channels * (up.in_channels + down.out_channels)


def anneal_activations(graph_module: GraphModule, names: set[str]) -> dict[str, AnnealedActivation]:
    """Put the activations at these nodes on their way out, in place; by name."""
    annealed = {}
    for node in graph_module.graph.nodes:
        if node.name in names:
            annealed[node.name] = AnnealedActivation(_activation(graph_module, node))
            path = add_module(graph_module, f"{node.name}_annealed", annealed[node.name])
            turn_into_call(graph_module, node, path, node.all_input_nodes[0])
    tidy(graph_module)
    return annealed


def _activation(graph_module: GraphModule, node: Node) -> nn.Module:
    module = module_of(graph_module, node)
    if module is not None:
        return module
    if getattr(node.target, "__name__", node.target) in ("relu", "relu_"):
        return nn.ReLU()
    raise PassError(f"{node.name}: an activation that is no module and no ReLU is not annealed")


def merge_pairs(graph_module: GraphModule, names: frozenset[str]) -> GraphModule:
    """A copy without the activations ``names``, the 1x1 convolutions on both sides of each in one.

    Raises:
        PassError: an activation has not gone yet, or there is no pair round it.
    """
    result = fold_batch_norm(own_copy(graph_module))
    for node in list(result.graph.nodes):
        if node.name in names:
            module = module_of(result, node)
            if isinstance(module, AnnealedActivation) and module.strength != 1.0:
                raise PassError(f"merge_pairs: {node.name} is still an activation by {1 - module.strength:.3g}")
            _merge(result, node)
    return tidy(result)


def _merge(graph_module: GraphModule, node: Node) -> None:
    before, after = node.all_input_nodes[0], next(iter(node.users))
    up, down = (module_of(graph_module, each) for each in (before, after))
    if len(before.users) != 1 or len(node.users) != 1 or not _saves(up, down):
        raise PassError(f"merge_pairs: no pair of 1x1 convolutions round {node.name}")
    assert isinstance(up, CONVOLUTIONS)
    assert isinstance(down, CONVOLUTIONS)
    place_module(graph_module, after, merged(up, down))
    after.replace_input_with(node, before.all_input_nodes[0])


def merged(up: Convolution, down: Convolution) -> Convolution:
    """``down(up(x))`` as one 1x1 convolution."""
    first, second = up.weight.detach().flatten(1), down.weight.detach().flatten(1)
    weight = (second @ first).reshape(down.out_channels, up.in_channels, *down.kernel_size)
    return resized(down, weight, second @ bias_of(up) + bias_of(down), 1)


def remove_and_merge(teacher: Traced, plan: Plan, request: Request) -> Removal:
    """A plain student whose pairs of 1x1 convolutions are merged, distilled from ``teacher``."""
    prepared = prepared_for_fading(teacher)
    regions = chosen_regions(prepared, plan, request)
    options = request.config.student
    planned = [plan_reparam(prepared.module, region, options.stream != "off") for region in regions]
    fitting = [each for each in planned if isinstance(each, Reparam)]
    basis = "stage" if options.stream == "off" else options.stream
    images = first_inputs(teacher.module, request, options.statistics_images)
    fading = fade_shortcuts(prepared.module, regions, initialise_branches(prepared.module, fitting, images, basis))
    pairs = find_pairs(fold_batch_norm(remove_shortcuts(prepared.module, regions)))
    names = frozenset(pair.activation for pair in pairs)
    annealed = anneal_activations(fading.module, set(names))
    span = request.config.fade or 1.0

    def follow(progress: float) -> None:
        faded = min(1.0, progress / span)
        fading.set_faded(faded, options.growth)
        for activation in annealed.values():
            activation.strength = faded

    def merge(graph_module: GraphModule) -> GraphModule:
        return merge_pairs(graph_module, names)

    went = f"migrated; {len(names)} pairs of 1x1 convolutions merged"
    return train_fading(fading, prepared, regions, plan, request, follow, went, after=(merge,))


NAME = "linear-pairs"
recipes.register(NAME)(
    Recipe(NAME, needs_data=True, remove=remove_and_merge, defaults={"lr": 0.04, "paths": {"mixed": True}})
)
