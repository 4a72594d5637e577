"""A CPU to build for: its name to LLVM, its features, and the figures that estimates use."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from rdpass.targets.features import Feature


@dataclass(frozen=True)
class Target:
    """A CPU to build for: one of the boards below, or this host whatever it is.

    ``cpu`` is LLVM's name of the core, ``cores`` how many of that core there are, and ``features`` what built code may
    use beyond the base architecture, in the words of Linux's ``/proc/cpuinfo``. The rest feeds estimates only, is
    approximate, and 0 where nothing is known: clock, fp32 multiply-accumulates a core can start a cycle (FMA pipes
    times lanes), cache sizes (``l2_bytes`` as one core sees it), and the DRAM bandwidth that all cores together can
    sustain. ``figures`` says where these come from.
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
        """What ``uname -m`` says on such a machine."""
        return self.triple.partition("-")[0]

    def has(self, feature: Feature) -> bool:
        """Whether built code may use ``feature``: whether it is listed, not whether the core's maker says so.

        Example:
            >>> Target("rpi5", "aarch64-linux-gnu", "cortex-a76", 4, ("asimd", "asimddp")).has(Feature.DOTPROD)
            True
        """
        return feature in self.features

    @property
    def is_native(self) -> bool:
        """Whether programs for it run on this machine without an emulator."""
        return self.architecture == platform.machine() and not self.is_android

    @property
    def is_android(self) -> bool:
        """Whether the system is Android's: another C library, and no runtime of TVM's for it."""
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
