"""A network as it is deployed: batch norms folded, every layer a module of its own."""

from __future__ import annotations

from torch import Tensor, nn
from torch.fx import GraphModule

from rdpass.capture.trace import trace
from rdpass.passes.graph.deploy_form import DEPLOY_FORM
from rdpass.passes.graph.pass_manager import run_passes


def deployed(model: nn.Module, example: Tensor) -> GraphModule:
    """A copy that computes the same; teacher and student in the same form."""
    return run_passes(trace(model, example), DEPLOY_FORM).module.eval()
