"""What an arm is: a way to get a network that takes a residual one's place, with a name for the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.accuracy_grids.bench import Bench, Scores

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """What came out of one arm.

    ``form``: ``plain`` (strictly), ``projections`` (identities gone, projections kept), ``carried`` (exact, with extra
    channels) or ``residual``. ``macs`` of one picture, a mean where they vary; ``peak_bytes`` of activations where adds
    are accumulated in place, ``separate_bytes`` where they are kernels of their own. ``facts``: more for the record.
    """

    scores: Scores
    form: str
    macs: int
    peak_bytes: int
    separate_bytes: int
    steps: int
    facts: Mapping[str, Any] = field(default_factory=dict)


class Arm(Protocol):
    """``name`` tells it apart within a table; ``recipe`` and ``settings`` say what it does."""

    @property
    def name(self) -> str: ...

    @property
    def recipe(self) -> str: ...

    @property
    def settings(self) -> Settings: ...

    def run(self, bench: Bench) -> Result:
        """Train and measure. What is left in ``bench.run_folder`` by an interrupted run is gone on from."""
        ...
