"""The findings that travel between stages: frozen, and holding names of graph nodes, never graphs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rdpass.comparison import Gate

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import GraphModule

Kind = Literal["identity", "projection", "padded", "merge"]
Verdict = Literal["removable", "kept"]
How = Literal["merged", "carried", "distilled", "kept"]


@dataclass(frozen=True)
class Region:
    """A residual add: ``add = body(fork) + shortcut(fork)``.

    ``body`` and ``shortcut`` are node names in graph order, without fork and add; an identity's ``shortcut`` is empty
    but for a scale or a change of view. ``kind`` is 'merge' where both sides are linear, whatever the shortcut is: one
    convolution could do the work of both. ``shape`` is the add's, ``bytes`` what the shortcut holds live while the body
    runs: the smaller of the fork's map and the shortcut's output, for the better schedule may compute the shortcut
    first. ``scale`` names the nodes of either side that multiply all of it by a number or by one a channel (layer
    scale, β, the alpha of ``torch.add``).
    """

    add: str
    fork: str
    body: tuple[str, ...]
    shortcut: tuple[str, ...]
    kind: Kind
    shape: tuple[int, ...]
    bytes: int
    path: str
    verdict: Verdict
    reason: str
    scale: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """An add that is not a shortcut, and why."""

    add: str
    reason: str


@dataclass(frozen=True)
class Cost:
    """What one inference takes, batch and shape of the example: an account of the graph, not a measurement.

    ``peak_activation_bytes`` is for the graph's own order, with batch norm, activations and adds fused into the
    convolution before them; the input is counted, weights are not.
    """

    macs: int
    parameters: int
    feature_bytes: int
    peak_activation_bytes: int


@dataclass(frozen=True)
class Forecast:
    """The cost of the model as it is and of its strictly plain student (every removable shortcut gone)."""

    model: Cost
    plain: Cost


@dataclass(frozen=True)
class Plan:
    """Every add of a model, each once: as a region or as skipped."""

    regions: tuple[Region, ...]
    skipped: tuple[Skipped, ...]
    forecast: Forecast

    @property
    def removable(self) -> tuple[Region, ...]:
        return tuple(region for region in self.regions if region.verdict == "removable")


@dataclass(frozen=True)
class Cut:
    """A point where teacher and student hold a tensor of the same shape; one node name serves both."""

    node: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """How one shortcut went."""

    add: str
    how: How
    reason: str


@dataclass(frozen=True)
class Traced:
    """A model as a graph whose numbers were checked, with the example it was traced on.

    The graph is functional (nothing in place) and canonical: convolutions, batch norms, linear layers and activations
    are modules, adds are ``operator.add`` of two nodes. Node metadata carry shapes and dtypes. ``tracer`` says which
    rung of the ladder gave it.
    """

    module: GraphModule
    example: tuple[Tensor, ...]
    gates: tuple[Gate, ...] = ()
    tracer: str = ""

    def node(self, name: str) -> Any:
        """The node of that name (a ``torch.fx.Node``); KeyError if there is none."""
        for node in self.module.graph.nodes:
            if node.name == name:
                return node
        raise KeyError(name)
