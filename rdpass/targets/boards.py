"""The boards known by name."""

from __future__ import annotations

from typing import Any

from rdpass.core.errors import ConfigError
from rdpass.core.registry import Registry
from rdpass.targets.target import Target

HOST = "host"
DEFAULT_BOARD = "rpi4"
"""The board that estimates are for where none is named."""
_ARM = "aarch64-linux-gnu"
_KB, _MB = 1024, 1024 * 1024
_V8_0 = ("asimd",)
_V8_2 = ("asimd", "asimddp", "asimdhp", "asimdrdm", "atomics", "fphp", "lrcpc")
_V8_6 = (*_V8_2, "bf16", "fcma", "i8mm", "ilrcpc", "sve")
_SHEET = "cores, clock, caches: data sheet; bandwidth: estimate"

# fp32 multiply-accumulates a cycle: four lanes times the pipes that start a 128-bit FMLA every cycle, from Arm's
# software optimisation guides. Bandwidths are what copies typically sustain, well below the memory's own data sheet.
PRESETS = (
    Target("rpi3", _ARM, "cortex-a53", 4, _V8_0, 1.2, 4, 32 * _KB, 512 * _KB, 0, 1.5, _SHEET),
    Target("rpi4", _ARM, "cortex-a72", 4, _V8_0, 1.5, 4, 32 * _KB, 1 * _MB, 0, 4.0, _SHEET),
    Target("rpi5", _ARM, "cortex-a76", 4, _V8_2, 2.4, 8, 64 * _KB, 512 * _KB, 2 * _MB, 12.0, _SHEET),
    Target("rk3399", _ARM, "cortex-a72", 2, _V8_0, 1.8, 4, 32 * _KB, 1 * _MB, 0, 4.0, f"{_SHEET}; big cores only"),
    Target(
        "rk3588", _ARM, "cortex-a76", 4, _V8_2, 2.4, 8, 64 * _KB, 512 * _KB, 3 * _MB, 15.0, f"{_SHEET}; big cores only"
    ),
    Target("imx8mp", _ARM, "cortex-a53", 4, _V8_0, 1.8, 4, 32 * _KB, 512 * _KB, 0, 4.0, _SHEET),
    Target("jetson-nano", _ARM, "cortex-a57", 4, _V8_0, 1.43, 4, 32 * _KB, 2 * _MB, 0, 10.0, _SHEET),
    Target(
        "jetson-orin", _ARM, "cortex-a78ae", 6, _V8_2, 1.5, 8, 64 * _KB, 256 * _KB, 2 * _MB, 30.0,
        f"{_SHEET}; Orin Nano",
    ),
    # Built as its predecessor: an Armv9 core to LLVM, but SVE is not visible on every phone that has it.
    Target(
        "pixel8", _ARM, "cortex-a78", 4, _V8_2, 2.37, 8, 64 * _KB, 512 * _KB, 4 * _MB, 20.0,
        "cores, clock: data sheet; caches, bandwidth: estimate; the four Cortex-A715 only",
    ),
    Target(
        "graviton2", _ARM, "neoverse-n1", 4, _V8_2, 2.5, 8, 64 * _KB, 1 * _MB, 32 * _MB, 20.0,
        f"{_SHEET}; an instance of four",
    ),
    Target(
        "graviton3", _ARM, "neoverse-v1", 4, (*_V8_6, "sha3"), 2.6, 16, 64 * _KB, 1 * _MB, 32 * _MB, 30.0,
        f"{_SHEET}; an instance of four",
    ),
    Target(
        "graviton4", _ARM, "neoverse-v2", 4, (*_V8_6, "sve2"), 2.8, 16, 64 * _KB, 2 * _MB, 36 * _MB, 40.0,
        f"{_SHEET}; an instance of four",
    ),
    Target(
        "android-arm64", "aarch64-linux-android", "generic", 4, _V8_0, 2.0, 8, 64 * _KB, 512 * _KB, 2 * _MB, 12.0,
        "estimate: a phone of the middle; with --runtime none only",
    ),
    Target(
        "generic-armv8a", _ARM, "generic", 4, _V8_0, 1.5, 4, 32 * _KB, 512 * _KB, 0, 3.0, "estimate: a small board"
    ),
)  # fmt: skip


def as_target(name: str, given: Any) -> Target:
    """A ``Target`` of that name, or what a function without arguments gives.

    Raises:
        ConfigError: it is neither.
    """
    target = given if isinstance(given, Target) or not callable(given) else given()
    if isinstance(target, Target) and target.name == name:
        return target
    said = f"one called {target.name!r}" if isinstance(target, Target) else f"a {type(target).__name__}"
    raise ConfigError(f"target {name!r} is to be a Target of that name, or a function that gives one, not {said}")


targets = Registry("target", "rdpass.targets", {preset.name: preset for preset in PRESETS}, as_target, (HOST,))
