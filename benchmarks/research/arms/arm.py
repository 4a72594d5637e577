"""What an arm is: a way to get a network that takes a residual one's place, with a name for the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import nn

from benchmarks.research.arms.bench import Bench, Scores

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Footprint:
    """What one image takes: multiply-accumulates (a mean where they vary), and bytes.

    Peak and traffic of activations are an account where adds are accumulated in place; ``separate_bytes`` is the peak
    where they are kernels of their own.
    """

    macs: int
    peak_bytes: int
    separate_bytes: int
    traffic_bytes: int


@dataclass(frozen=True)
class Made:
    """A network that an arm made, in eval mode; ``form``, ``steps`` and ``facts`` as in ``Result``."""

    network: nn.Module
    form: str
    steps: int
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What came out of one arm, after ``steps`` of training.

    ``form``: ``plain`` (strictly), ``projections`` (identities gone, projections kept), ``carried`` (exact, with extra
    channels) or ``residual``. ``same_task``: measured on the teacher's test images. ``facts``: more for the record.
    """

    scores: Scores
    form: str
    footprint: Footprint
    steps: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    same_task: bool = True


class Told(Protocol):
    """``name`` tells an arm apart within a table; ``recipe`` and ``settings`` say what it does."""

    @property
    def name(self) -> str: ...

    @property
    def recipe(self) -> str: ...

    @property
    def settings(self) -> Settings: ...


class Arm(Told, Protocol):
    """What makes a network and measures it."""

    def run(self, bench: Bench) -> Result:
        """Train and measure. What an interrupted run has left behind is gone on from."""
        ...


class Maker(Told, Protocol):
    """What makes a network, before anything of it is measured."""

    def make(self, bench: Bench) -> Made:
        """Train. What an interrupted run has left behind is gone on from, where the arm keeps any."""
        ...
