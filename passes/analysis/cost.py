"""The cost of one inference of a graph: multiply-accumulates, parameters, and memory under three ways of fusing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from torch import nn
from torch.fx import GraphModule

from rdpass.core.plan import Cost, Region
from rdpass.passes.analysis.macs import macs_of_node, stored_tensor
from rdpass.passes.analysis.memory.buffers import Inference, inference_of, living_nodes
from rdpass.passes.analysis.memory.fused_schedule import FusedSchedule, fused_schedule_of
from rdpass.passes.graph.node_kinds import module_of


@dataclass(frozen=True)
class FusionVariants:
    """One graph under the three ways of fusing that ``Cost`` names."""

    inference: Inference
    parameters: int
    separate: FusedSchedule
    fused: FusedSchedule
    tiled: FusedSchedule

    @property
    def cost(self) -> Cost:
        return Cost(
            macs=sum(operation.macs for operation in self.inference.operations),
            parameters=self.parameters,
            separate=self.separate.memory,
            fused=self.fused.memory,
            tiled=self.tiled.memory,
        )


def cost_of(graph_module: GraphModule) -> Cost:
    """The cost of a graph whose nodes carry shapes, at those shapes."""
    return fusion_variants_of(graph_module).cost


def fusion_variants_of(graph_module: GraphModule, without: Collection[Region] = ()) -> FusionVariants:
    """The schedules of a graph, or of what it is once the shortcuts ``without`` are taken out. It is only read."""
    inference = inference_of(graph_module, without)
    fused = fused_schedule_of(inference)
    adds = any(operation.kind == "add" for operation in inference.operations)
    return FusionVariants(
        inference,
        _parameters(graph_module, without),
        fused_schedule_of(inference, "separate") if adds else fused,
        fused,
        fused_schedule_of(inference, tiles=True),
    )


def macs_of(graph_module: GraphModule) -> int:
    """Multiply-accumulates of all layers and matrix products; see ``passes.analysis.macs`` for what counts."""
    return sum(macs_of_node(graph_module, node)[0] for node in graph_module.graph.nodes)


def _parameters(graph_module: GraphModule, without: Collection[Region]) -> int:
    """Numbers in the parameters that a living node uses, a shared one once."""
    used: set[nn.Parameter] = set()
    for node in living_nodes(graph_module, without):
        module = module_of(graph_module, node)
        if module is not None:
            used.update(module.parameters())
        elif node.op == "get_attr":
            stored = stored_tensor(graph_module, node)
            used.update([stored] if isinstance(stored, nn.Parameter) else ())
    return sum(parameter.numel() for parameter in used)
