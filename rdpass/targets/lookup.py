"""The CPUs a network can be built for: the boards known by name, and this machine."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from pathlib import Path

from rdpass.core.errors import TargetError
from rdpass.targets.boards import HOST, PRESETS, targets
from rdpass.targets.features import Feature
from rdpass.targets.target import Target

__all__ = ["HOST", "PRESETS", "Target", "all_targets", "cpu_features", "find_target", "host_target"]

HOST_CLOCK_GHZ = 2.5  # where the system tells no clock
HOST_DRAM_GBPS = 10.0
_CPU0 = Path("/sys/devices/system/cpu/cpu0")

# The levels of the x86-64 psABI. LLVM's own name for this CPU would be closer, but it goes by family and model, and a
# hypervisor may hide features of that model: such code dies of an illegal instruction.
_X86_V2 = ("cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3")
_X86_V3 = (*_X86_V2, "abm", "avx", Feature.AVX2, "bmi1", "bmi2", "f16c", "fma", "movbe")
_X86_V4 = (*_X86_V3, "avx512bw", "avx512cd", "avx512dq", Feature.AVX512F, "avx512vl")
_MACS_PER_CYCLE = {"x86-64-v4": 32, "x86-64-v3": 16, "x86-64-v2": 4, "x86-64": 4}
_X86_LEVELS = (("x86-64-v4", _X86_V4), ("x86-64-v3", _X86_V3), ("x86-64-v2", _X86_V2), ("x86-64", ()))


def find_target(name: str) -> Target:
    """The target called ``name``, this machine for ``host``, or what a file called ``….toml`` says.

    Raises:
        TargetError: there is none of that name, and the message lists those there are; or the file says nothing legal.
        ConfigError: it is a package's, and that can't be loaded.
    """
    if name.endswith(".toml"):
        from rdpass.targets.target_file import read_target  # pydantic, which a board does without

        return read_target(Path(name))
    if name == HOST:
        return host_target()
    found = targets.get(name)
    if found is None:
        known = f"{', '.join([HOST, *targets.names()])}, or a file of one's own, board.toml"
        raise TargetError(f"no target is called {name!r}; known are {known}{targets.hint(name, (HOST,))}")
    return found


def all_targets() -> tuple[Target, ...]:
    """This host, then every preset and what else is registered."""
    return (host_target(), *targets.entries().values())


def host_target() -> Target:
    """This machine, with no more features than the operating system shows."""
    machine = platform.machine()
    cpu, features = _host_cpu(machine, cpu_features())
    clock = _host_clock()
    return Target(
        name=HOST,
        triple=f"{machine}-linux-gnu",
        cpu=cpu,
        cores=os.cpu_count() or 1,
        features=features,
        clock_ghz=clock or HOST_CLOCK_GHZ,
        macs_per_cycle=_MACS_PER_CYCLE.get(cpu, 4),
        l1d_bytes=_cache_bytes(1),
        l2_bytes=_cache_bytes(2),
        l3_bytes=_cache_bytes(3),
        dram_gbps=HOST_DRAM_GBPS,
        figures=f"caches{', clock' if clock else ''}: read from the system; the rest: estimate",
    )


def with_byte_products(target: Target) -> Target:
    """``target``, a host's, with those of this CPU's features beyond its level that multiply bytes."""
    level = {"x86-64-v4": Feature.AVX512_VNNI, "x86-64-v3": Feature.AVX_VNNI}.get(target.cpu)
    if level is None or level not in cpu_features():
        return target
    return replace(target, features=tuple(sorted({*target.features, level})))


def _host_clock() -> float:
    """Highest clock in GHz that the system names, for the clock of the moment would change bundles; 0 for none."""
    try:
        return int((_CPU0 / "cpufreq" / "cpuinfo_max_freq").read_text()) / 1e6
    except (OSError, ValueError):
        return 0.0


def _cache_bytes(level: int) -> int:
    """Size of the data cache of that level as the first core sees it; 0 where the system names none."""
    for index in sorted(_CPU0.glob("cache/index*")):
        try:
            kind, found = (index / "type").read_text().strip(), int((index / "level").read_text())
            if found == level and kind in ("Data", "Unified"):
                return int((index / "size").read_text().strip().removesuffix("K")) * 1024
        except (OSError, ValueError):
            continue
    return 0


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
    return "generic", (Feature.ASIMD,) if machine == "aarch64" else ()
