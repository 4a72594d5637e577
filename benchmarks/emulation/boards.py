"""What a target's name stands for when its cost is estimated: the core to model, its clock, its memory's bandwidth."""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.errors import TargetError
from rdpass.targets import PRESETS, ArmTarget, find_target


@dataclass(frozen=True)
class Core:
    """A core by LLVM's name: ``model`` is the one whose cycles stand for its own, since LLVM has no sound model of all.

    ``ghz`` is the clock of a common board with it, ``gb_per_s`` what one core of that board reads from memory.
    """

    name: str
    model: str
    ghz: float
    gb_per_s: float
    features: tuple[str, ...]


_V8_0 = ("asimd",)
_V8_2 = ("asimd", "asimddp", "asimdhp")
_SVE = (*_V8_2, "i8mm", "sve")

CORES = (
    Core("cortex-a53", "cortex-a55", 1.4, 1.5, _V8_0),  # Raspberry Pi 3 B+
    Core("cortex-a55", "cortex-a55", 1.8, 3.0, _V8_2),  # RK3566
    Core("cortex-a72", "cortex-a72", 1.8, 3.0, _V8_0),  # Raspberry Pi 4, RK3399
    Core("cortex-a76", "neoverse-n1", 2.4, 12.0, _V8_2),  # Raspberry Pi 5
    Core("neoverse-n1", "neoverse-n1", 2.5, 12.0, _V8_2),
    Core("neoverse-v1", "neoverse-v1", 2.6, 20.0, _SVE),
)
"""The first four's clocks and bandwidths are those with which estimates have been compared with published times."""

_GENERIC = "cortex-a53"


def find_board(name: str) -> tuple[ArmTarget, Core]:
    """The target for a preset's name or a core's, and the core to estimate with.

    Raises:
        TargetError: it is neither, or no core of ARM's; the message lists what there is.
    """
    cores = {core.name: core for core in CORES}
    if name in cores:
        target = ArmTarget(name, "aarch64-linux-gnu", name, 4, cores[name].features)
        return target, cores[name]
    if name not in {preset.name for preset in PRESETS}:
        known = ", ".join([*(preset.name for preset in PRESETS), *cores])
        raise TargetError(f"no ARM target is called {name!r}; known are {known}")
    target = find_target(name)
    return target, cores[_GENERIC if target.cpu == "generic" else target.cpu]
