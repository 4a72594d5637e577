"""A model's schedules under the three ways of fusing."""

from rdpass.capture.trace import trace
from rdpass.passes.analysis.cost import fusion_variants_of
from tests.models import (
    seeded,
)


def schedules(model, *inputs):
    return fusion_variants_of(trace(seeded(lambda: model), inputs).module)


def kernels(model, *inputs, way="fused"):
    """The nodes of every kernel, in the graph's order."""
    return [step.nodes for step in getattr(schedules(model, *inputs), way).steps]
