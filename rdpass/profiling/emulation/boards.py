"""Map a target to the core whose cycle model stands for it."""

from __future__ import annotations

from dataclasses import replace

from rdpass.core.errors import TargetError
from rdpass.targets.lookup import PRESETS, Target, find_target

_MODELS = {
    "generic": "cortex-a55",
    "cortex-a53": "cortex-a55",
    "cortex-a55": "cortex-a55",
    "cortex-a57": "cortex-a72",
    "cortex-a72": "cortex-a72",
    "cortex-a76": "neoverse-n1",
    "cortex-a78": "neoverse-n1",
    "cortex-a78ae": "neoverse-n1",
    "neoverse-n1": "neoverse-n1",
    "neoverse-v1": "neoverse-v1",
    "neoverse-v2": "neoverse-v1",
}
"""For each core LLVM's model that is used for it: LLVM 19 has no sound one of A53, A76 and A78."""

_A55_FEATURES = ("asimd", "asimddp", "asimdhp", "asimdrdm", "atomics", "fphp", "lrcpc")
_A55 = Target(
    "cortex-a55", "aarch64-linux-gnu", "cortex-a55", 1, _A55_FEATURES, 1.8, 4, 32 << 10, 0, 512 << 10, 3.0,
    "estimate: RK3566",
)  # fmt: skip


def core_targets() -> dict[str, Target]:
    """A target for each core, by LLVM's name: one such core of the first board that has it, called as the core is."""
    found = {_A55.cpu: _A55}
    for preset in PRESETS:
        if preset.cpu in _MODELS and preset.cpu != "generic":
            found.setdefault(preset.cpu, replace(preset, name=preset.cpu, cores=1))
    return found


def find_board(name: str) -> Target:
    """The target for a preset's name or a core's.

    Raises:
        TargetError: it is neither, or nothing of ARM's; the message lists what there is.
    """
    cores = core_targets()
    if name in cores:
        return cores[name]
    boards = [preset.name for preset in PRESETS]
    if name not in boards:
        raise TargetError(f"no ARM target is called {name!r}; known are {', '.join([*boards, *cores])}")
    return find_target(name)


def modelled_core(target: Target) -> str:
    """The core whose estimated cycles are taken for ``target``'s.

    Raises:
        TargetError: LLVM has a model of none that is like it.
    """
    if target.cpu not in _MODELS:
        raise TargetError(f"{target.name}: no model of {target.cpu}; cycles are known for {', '.join(_MODELS)}")
    return _MODELS[target.cpu]
