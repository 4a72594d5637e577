"""The epilogue of a kernel: what is done to a value before it is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

ActivationKind = Literal[
    "none", "relu", "clip", "channel_clip", "prelu", "hard_swish", "hard_sigmoid", "silu", "sigmoid"
]


@dataclass(frozen=True)
class Epilogue:
    """The way from a convolution's sum to what is stored: + bias, activation, and a map of the same shape.

    ``activation``: ``clip`` uses ``low`` and ``high``; ``channel_clip`` has a lower and an upper bound per channel and
    ``prelu`` a slope per channel, which lie behind the bias in the kernel's table. ``add``: a second map is added,
    before the activation or, where ``late``, behind it; ``in_place``: that map's buffer is the one that is written.
    """

    activation: ActivationKind = "none"
    low: float = 0.0
    high: float = 0.0
    add: bool = False
    in_place: bool = False
    late: bool = False

    @property
    def rows(self) -> int:
        """Numbers per channel in the kernel's table: the bias, then the activation's own."""
        return 1 + {"channel_clip": 2, "prelu": 1}.get(self.activation, 0)

    def placed(self, in_place: bool) -> Epilogue:
        """The same epilogue, written over the map that is added or not."""
        return replace(self, in_place=in_place)


NO_EPILOGUE = Epilogue()
"""Nothing but the bias."""
