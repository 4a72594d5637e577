"""The CPUs a network can be built for: what LLVM calls each, how many of its cores run, what they can do."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from rdpass.errors import TargetError

HOST = "host"


@dataclass(frozen=True)
class ArmTarget:
    """A CPU to build for: one of the boards below, or this host whatever it is.

    ``cpu`` is LLVM's name of the core, ``cores`` how many of that core there are, and ``features`` what built code may
    use beyond the base architecture, in the words of Linux's ``/proc/cpuinfo``.
    """

    name: str
    triple: str
    cpu: str
    cores: int
    features: tuple[str, ...]

    @property
    def architecture(self) -> str:
        """What ``uname -m`` says on such a machine."""
        return self.triple.partition("-")[0]

    @property
    def is_native(self) -> bool:
        """Whether programs for it run on this machine without an emulator."""
        return self.architecture == platform.machine()


_ARM = "aarch64-linux-gnu"
_V8_0 = ("asimd",)
_V8_2 = ("asimd", "asimddp", "asimdhp")

PRESETS = (
    ArmTarget("rpi3", _ARM, "cortex-a53", 4, _V8_0),
    ArmTarget("rpi4", _ARM, "cortex-a72", 4, _V8_0),
    ArmTarget("rpi5", _ARM, "cortex-a76", 4, _V8_2),
    ArmTarget("rk3399", _ARM, "cortex-a72", 2, _V8_0),
    ArmTarget("generic-armv8a", _ARM, "generic", 4, _V8_0),
)

# The levels of the x86-64 psABI. LLVM's own name for this CPU would be closer, but it goes by family and model, and a
# hypervisor may hide features of that model: such code dies of an illegal instruction.
_X86_V2 = ("cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3")
_X86_V3 = (*_X86_V2, "abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe")
_X86_V4 = (*_X86_V3, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")
_X86_LEVELS = (("x86-64-v4", _X86_V4), ("x86-64-v3", _X86_V3), ("x86-64-v2", _X86_V2), ("x86-64", ()))


def find_target(name: str) -> ArmTarget:
    """The preset called ``name``, or this machine for ``host``.

    Raises:
        TargetError: there is none of that name; the message lists those there are.
    """
    targets = {target.name: target for target in PRESETS}
    if name == HOST:
        return host_target()
    if name not in targets:
        raise TargetError(f"no target is called {name!r}; known are {', '.join([HOST, *targets])}")
    return targets[name]


def all_targets() -> tuple[ArmTarget, ...]:
    """This host, then every preset."""
    return (host_target(), *PRESETS)


def host_target() -> ArmTarget:
    """This machine, with no more features than the operating system shows."""
    machine = platform.machine()
    cpu, features = _host_cpu(machine, cpu_features())
    return ArmTarget(HOST, f"{machine}-linux-gnu", cpu, os.cpu_count() or 1, features)


def cpu_features() -> frozenset[str]:
    """The feature words of this machine's ``/proc/cpuinfo``; empty where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    words = next((line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))), "")
    return frozenset(words.split())


def _host_cpu(machine: str, available: frozenset[str]) -> tuple[str, tuple[str, ...]]:
    if machine == "x86_64":
        return next((cpu, needed) for cpu, needed in _X86_LEVELS if available.issuperset(needed))
    return "generic", _V8_0 if machine == "aarch64" else ()
