"""A CPU to build for: its name to LLVM, its features, and the figures that estimates use."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from rdpass.targets.features import Feature


@dataclass(frozen=True)
class Target:
    """A CPU to build for: a board known by name, this host whatever it is, or one's own.

    What follows from ``clock_ghz`` on feeds estimates and the choice of kernels only, is approximate, and 0 where
    nothing is known. ``ArmTarget`` is the name of this class in releases before 0.2.

    Args:
        name: what it is called in messages and manifests.
        triple: LLVM's, such as ``aarch64-linux-gnu``.
        cpu: LLVM's name of the core.
        cores: how many of that core there are.
        features: what built code may use beyond the base architecture, in the words of Linux's ``/proc/cpuinfo``.
        clock_ghz: in GHz.
        macs_per_cycle: fp32 multiply-accumulates that a core can start in a cycle (FMA pipes times lanes).
        l1d_bytes: first data cache of a core.
        l2_bytes: second cache, as one core sees it.
        l3_bytes: last cache before DRAM, if there is a third.
        dram_gbps: GB/s that all cores together can sustain.
        figures: where these figures come from.

    Example:
        >>> import rdpass
        >>> board = rdpass.Target(
        ...     "my-board", "aarch64-linux-gnu", "cortex-a53", 4, ("asimd",), 1.4, macs_per_cycle=4, dram_gbps=2.0
        ... )
        >>> board.architecture, board.peak_macs_per_second
        ('aarch64', 5600000000.0)
        >>> rdpass.inspect(model, example, target=board).forecast.target
        'my-board'
    """

    name: str
    triple: str
    cpu: str
    cores: int
    features: tuple[str, ...]
    clock_ghz: float = 0.0
    macs_per_cycle: int = 0
    l1d_bytes: int = 0
    l2_bytes: int = 0
    l3_bytes: int = 0
    dram_gbps: float = 0.0
    figures: str = ""

    @property
    def architecture(self) -> str:
        """The architecture, as ``uname -m`` says it on such a machine."""
        return self.triple.partition("-")[0]

    def has(self, feature: Feature) -> bool:
        """Tell whether built code may use ``feature``: whether it is listed, not whether the core's maker says so.

        Example:
            >>> Target("rpi5", "aarch64-linux-gnu", "cortex-a76", 4, ("asimd", "asimddp")).has(Feature.DOTPROD)
            True
        """
        return feature in self.features

    @property
    def is_native(self) -> bool:
        """Tell whether programs for it run on this machine without an emulator."""
        return self.architecture == platform.machine() and not self.is_android

    @property
    def is_android(self) -> bool:
        """Tell whether the system is Android's: another C library, and no runtime of TVM's for it."""
        return self.triple.endswith("-android")

    @property
    def peak_macs_per_second(self) -> float:
        """Multiply-accumulates (fp32) one core can do at most; 0 where the clock is not known."""
        return self.clock_ghz * 1e9 * self.macs_per_cycle

    @property
    def last_cache_bytes(self) -> int:
        """The cache before DRAM."""
        return self.l3_bytes or self.l2_bytes


ArmTarget = Target
"""The name of ``Target`` in releases before 0.2, which users' code may import."""
