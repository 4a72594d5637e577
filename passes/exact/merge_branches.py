"""``merge``: both branches of an add are linear, so one convolution does the work of both. Exact, and mostly cheaper.

RepVGG's three branches (arXiv 2101.03697), MobileOne, a 1x1 convolution beside the identity: each branch, however it
forks itself, is composed into one linear map, and the two are joined. Where a chain does not compose (a 1x1
convolution with a bias before a zero-padded one), the reason says so.
"""

from __future__ import annotations

from torch.fx import GraphModule, Node

from rdpass.core.plan import Region
from rdpass.passes.exact.exact_plan import Change, ExactPlan, priced
from rdpass.passes.graph.linear.linear_branch import linear_between
from rdpass.passes.graph.linear.linear_map import NotExact
from rdpass.passes.graph.linear.merge_convs import convolution
from rdpass.passes.graph.node_kinds import CONVOLUTIONS, module_of


def plan_merge(graph_module: GraphModule, region: Region) -> ExactPlan | str:
    """Plan to merge the two branches of ``region`` (shapes annotated); else the reason why that can't be done."""
    nodes = {node.name: node for node in graph_module.graph.nodes}
    host = _host(graph_module, [nodes[name] for name in (*region.body, *region.shortcut)])
    if host is None:
        return "no convolution on either side to merge into"
    try:
        merged = linear_between(graph_module, nodes[region.fork], nodes[region.add])
    except NotExact as reason:
        return str(reason)
    module = module_of(graph_module, host)
    assert isinstance(module, CONVOLUTIONS)
    change = Change(region.add, convolution(merged, module.weight), merged.outputs, region.fork, host.name)
    return priced(graph_module, ExactPlan(region, "merge", region.add, (change,)))


def _host(graph_module: GraphModule, nodes: list[Node]) -> Node | None:
    """The last of the convolutions: it gives its place, and its name, to the merged one."""
    found = [node for node in nodes if isinstance(module_of(graph_module, node), CONVOLUTIONS)]
    return max(found, default=None)
