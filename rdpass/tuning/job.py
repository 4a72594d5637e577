"""Messages between the tuner and its workers, through a pipe between two processes."""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import NumericType
from rdpass.deploy.device.tracker import Tracker


@dataclass(frozen=True)
class Step:
    """One kernel: its function, the shapes and types of all its parameters, and its constants.

    Parameters are the input (and what scales it, if anything does), the constants, the map to add where ``adds``, the
    output, the workspace. An output that is ``in_place`` holds the map to add.
    """

    function: str
    shapes: tuple[tuple[int, ...], ...]
    types: tuple[NumericType, ...]
    constants: tuple[Array, ...]
    adds: bool
    in_place: bool

    @property
    def inputs(self) -> int:
        """Maps that come before the constants."""
        return len(self.shapes) - len(self.constants) - (self.adds and not self.in_place) - 2


@dataclass(frozen=True)
class Variant:
    """A library, and the kernels in it that compute a workload, one after the other.

    ``expected``: the map that they have to give to the last bit; None where that is for the default tile to say.
    """

    library: str
    steps: tuple[Step, ...]
    expected: Array | None = None


@dataclass(frozen=True)
class NetworkVariant:
    """A library of a whole network, for TVM's virtual machine, and what it is given."""

    library: str
    inputs: tuple[Array, ...]


@dataclass(frozen=True)
class Job:
    """Time two variants in turn, for ``rounds`` rounds or some more, with ``threads``, and compare their outputs, the
    tuned one's with what the default expects, if it says that.

    ``flush``: bytes that are read and written before each call of a kernel, so that it finds its weights in memory, not
    in cache; whole networks are called one after another.
    ``tracker``: None for this host. ``timeout``: seconds after which whoever does it may be given up.
    """

    default: Variant | NetworkVariant
    tuned: Variant | NetworkVariant
    threads: int
    rounds: int
    flush: int
    tracker: Tracker | None
    timeout: float


@dataclass(frozen=True)
class Timing:
    """Seconds of each variant (the shortest of ``repeats`` calls), how far the upper quartile of the tuned one's lies
    above, relative, and the relative error of its output against the default's, or what is expected of both."""

    seconds: float
    default_seconds: float
    repeats: int
    spread: float
    error: float


@dataclass(frozen=True)
class Trouble:
    """Reason why there is no timing. ``crashed``: the process died of what it ran."""

    reason: str
    crashed: bool = False
