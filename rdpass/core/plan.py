"""The findings that travel between stages: frozen, and holding names of graph nodes, never graphs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rdpass.core.comparison import NumericGate
from rdpass.core.numeric_types import Precision

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import GraphModule

Kind = Literal["identity", "projection", "padded", "merge"]
Verdict = Literal["removable", "kept"]
How = Literal["merged", "carried", "distilled", "kept"]


@dataclass(frozen=True)
class Region:
    """A residual add: ``add = body(fork) + shortcut(fork)``.

    Args:
        add: name of the add's node.
        fork: name of the node that both branches start from.
        body: node names in graph order, without fork and add.
        shortcut: likewise; an identity's is empty but for a scale or a change of view.
        kind: 'identity', 'projection', 'padded', or 'merge' where both branches are linear, whatever the shortcut is:
            one convolution could do the work of both.
        shape: the add's.
        bytes: what the shortcut holds live while the body runs: the smaller of the fork's map and the shortcut's
            output, for the better schedule may compute the shortcut first.
        path: of the innermost module that all of the body lies in.
        verdict: 'removable' or 'kept'.
        reason: of the verdict, in words.
        scale: names of the nodes of either branch that multiply all of it by a number or by one a channel (layer scale,
            β, the alpha of ``torch.add``).

    Example:
        >>> import rdpass
        >>> region = rdpass.inspect(model, example).regions[0]
        >>> region.add, region.path, region.kind, region.verdict, region.shape, region.bytes
        ('add', '1.body', 'identity', 'removable', (1, 4, 8, 8), 1024)
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
    """An add that is not a shortcut, and why.

    Args:
        add: name of the add's node.
        reason: why it is none, in words.

    Example:
        >>> import rdpass, torch
        >>> class Shifted(torch.nn.Module):
        ...     def forward(self, x):
        ...         return x + x.mean()
        >>> rdpass.inspect(Shifted(), example).skipped
        (Skipped(add='add', reason='mean is broadcast from () to (1, 3, 8, 8)'),)
    """

    add: str
    reason: str


@dataclass(frozen=True)
class Memory:
    """Memory of the activations of one inference under one way of fusing kernels: computed, not measured.

    ``kernels`` run one after another; ``feature_bytes`` are all maps that ever exist, ``peak_bytes`` the most that are
    live at once, the input counted and weights not, under the best schedule found, and ``at_least_bytes`` what no
    schedule can go below. ``read_bytes`` and ``written_bytes`` sum over the kernels.
    """

    kernels: int
    feature_bytes: int
    peak_bytes: int
    at_least_bytes: int
    read_bytes: int
    written_bytes: int
    schedule: Literal["optimal", "greedy"]

    @property
    def traffic_bytes(self) -> int:
        return self.read_bytes + self.written_bytes


@dataclass(frozen=True)
class Cost:
    """Cost of one inference, with batch and shape of the example.

    ``separate``: activations are fused into the layer before them, every add is a kernel of its own. ``fused``: an add
    is accumulated into its operand's buffer. ``tiled``: besides, a convolution and its pool, and two 1x1 convolutions
    in a row, run as one kernel wherever nobody else reads the map between them.
    """

    macs: int
    parameters: int
    separate: Memory
    fused: Memory
    tiled: Memory

    @property
    def feature_bytes(self) -> int:
        return self.separate.feature_bytes

    @property
    def peak_activation_bytes(self) -> int:
        return self.fused.peak_bytes


@dataclass(frozen=True)
class BlockCost:
    """Cost of one shortcut now, in the fused schedule, and of an exact recipe for it.

    ``held_bytes`` is the most that lies in memory for the shortcut alone at any kernel, ``held_kernels`` how many
    kernels run meanwhile, ``at_peak_bytes`` its share of the network's peak. ``recipe`` is None where no exact recipe
    covers the block, ``exact_reason`` why, or what it costs: ``extra_macs`` beyond the block's own.
    """

    add: str
    held_bytes: int
    held_kernels: int
    at_peak_bytes: int
    recipe: str | None
    extra_macs: int
    exact_reason: str


@dataclass(frozen=True)
class Latency:
    """Estimated milliseconds of one inference on ``threads`` cores: nothing of this is measured.

    ``low_ms``: every multiplier busy, the fewest multiplications, memory traffic hidden behind them. ``high_ms``:
    direct convolution at a modest share of the peak, and nothing hidden. See ``rdpass.passes.analysis.roofline``.
    """

    variant: str
    threads: int
    low_ms: float
    high_ms: float


@dataclass(frozen=True)
class Choice:
    """What one inference costs on one core of a board, of one network in one precision: estimated, from the kernels
    that would be compiled. docs/inspect.md says how, and how far such estimates were off.

    Args:
        network: 'as it is', 'plain', 'plain, pairs merged', or 'student', the one that a conversion made.
        precision: 'float32', 'fp16' or 'int8'.
        ms: milliseconds.
        cycles: of the core, no cache missed.
        dram_bytes: that come from memory, counted into ``ms``.
        peak_bytes: that the compiled network plans for activations, outputs and scratch.
        weight_bytes: of weights as the kernels want them.
        code_bytes: of the library beside its weights: machine code and what the runtime reads. 0 in records of
            versions that did not estimate it.
    """

    network: str
    precision: Precision
    ms: float
    cycles: float
    dram_bytes: int
    peak_bytes: int
    weight_bytes: int
    code_bytes: int = 0

    @property
    def library_bytes(self) -> int:
        """The size of the compiled network on the disk."""
        return self.weight_bytes + self.code_bytes

    @property
    def resident_bytes(self) -> int:
        """Memory that the network takes while it runs: its library and the peak; TVM's runtime comes on top."""
        return self.library_bytes + self.peak_bytes


@dataclass(frozen=True)
class Estimated:
    """What the networks of a conversion cost on one core of ``target``: the model as it is and its plain student, both
    before anything was done, beside the ``student`` that was made.

    ``skipped``: choices that could not be estimated (their names for ``add``), and the reason.
    """

    target: str
    choices: tuple[Choice, ...]
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class Worth:
    """Every choice's cost on ``target``, and whether removal pays: ``gains`` says so, ``verdict`` why.

    ``skipped``: choices that could not be estimated (their names for ``add``), and the reason.
    """

    target: str
    choices: tuple[Choice, ...]
    skipped: tuple[Skipped, ...]
    gains: bool
    verdict: str


@dataclass(frozen=True)
class Forecast:
    """The cost of the model as it is and of its strictly plain student (every removable shortcut gone), before anyone
    trains. ``verdict`` says in words what removal gains; ``latency`` is there if a target was given, ``worth`` if it
    was asked for."""

    model: Cost
    plain: Cost
    blocks: tuple[BlockCost, ...]
    verdict: str
    target: str | None = None
    latency: tuple[Latency, ...] = ()
    worth: Worth | None = None


@dataclass(frozen=True)
class Plan:
    """Every add of a model, each once: as a region or as skipped. What ``inspect`` returns.

    Args:
        regions: the shortcuts, in graph order.
        skipped: the adds that are none.
        forecast: the cost as it is and without shortcuts, per block and in all, and a verdict in words.

    Example:
        >>> import rdpass
        >>> plan = rdpass.inspect(model, example)
        >>> [region.add for region in plan.removable], plan.skipped
        (['add', 'add_1'], ())
        >>> plan.forecast.model.macs, plan.forecast.plain.macs
        (39712, 39200)
    """

    regions: tuple[Region, ...]
    skipped: tuple[Skipped, ...]
    forecast: Forecast

    @property
    def removable(self) -> tuple[Region, ...]:
        """The regions whose verdict is 'removable'."""
        return tuple(region for region in self.regions if region.verdict == "removable")


@dataclass(frozen=True)
class Cut:
    """A point where teacher and student hold a tensor of the same shape; one node name serves both.

    Args:
        node: its name in the graph.
        shape: of the tensor, the batch in axis 0.

    Example:
        >>> import rdpass
        >>> rdpass.convert(model, example, max_macs=9.0).cuts
        (Cut(node='add', shape=(1, 4, 8, 8)), Cut(node='add_1', shape=(1, 8, 4, 4)))
    """

    node: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """Outcome of one shortcut: how it went, and why."""

    add: str
    how: How
    reason: str


@dataclass(frozen=True)
class Width:
    """How many channels a layer writes, before and after; ``layer`` is its path."""

    layer: str
    before: int
    after: int


@dataclass(frozen=True)
class Pruning:
    """How a network was pruned.

    Args:
        share: of the multiply-accumulates, asked for.
        multiple: that the widths of shrunken layers are of.
        importance: 'magnitude' or 'taylor': what the channels were ranked by.
        widths: of every layer, in graph order.
        skipped: layers that keep all channels because they have to, by node, and why.
    """

    share: float
    multiple: int
    importance: str
    widths: tuple[Width, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class MergedPair:
    """Two 1x1 convolutions that become one when the activation between them is gone.

    Args:
        first, activation, second: names of their nodes; the merged convolution has the second one's.
        macs: multiply-accumulates of the two on the example.
        merged_macs: of the one.
    """

    first: str
    activation: str
    second: str
    macs: int
    merged_macs: int


@dataclass(frozen=True)
class Merging:
    """Which pairs of 1x1 convolutions were merged.

    Args:
        pairs: in graph order.
        skipped: pairs that stay two, by the activation's node, and why.
    """

    pairs: tuple[MergedPair, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Traced:
    """A model as a graph whose numbers were checked, with the example it was traced on.

    The graph is functional (nothing in place) and canonical: convolutions, batch norms, linear layers and activations
    are modules, adds are ``operator.add`` of two nodes. Node metadata carry shapes and dtypes.

    Args:
        module: the graph, a ``torch.fx.GraphModule``.
        example: the inputs it was traced on, one tensor each.
        gates: the comparisons it has passed.
        tracer: which rung of the ladder of tracers gave it.

    Example:
        >>> from rdpass.capture.trace import trace
        >>> traced = trace(model, example)
        >>> traced.tracer, traced.node("add").meta["tensor_meta"].shape
        ('symbolic_trace', (1, 4, 8, 8))
    """

    module: GraphModule
    example: tuple[Tensor, ...]
    gates: tuple[NumericGate, ...] = ()
    tracer: str = ""

    def node(self, name: str) -> Any:
        """The node of that name (a ``torch.fx.Node``); KeyError if there is none."""
        for node in self.module.graph.nodes:
            if node.name == name:
                return node
        raise KeyError(name)
