"""A network as it is deployed: batch norms folded, every layer a module of its own."""

from __future__ import annotations

from torch import Tensor, nn
from torch.fx import GraphModule

from rdpass.deploy_form import DEPLOY_FORM
from rdpass.staging import run_stages
from rdpass.tracing.trace import trace


def deployed(model: nn.Module, example: Tensor) -> GraphModule:
    """A copy that computes the same; teacher and student in the same form."""
    return run_stages(trace(model, example), DEPLOY_FORM).module.eval()
