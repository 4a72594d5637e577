"""Runs an aarch64 program under qemu-aarch64 with the counting plugin.

For the same counts every time, and on every machine: the program runs in its own folder by a relative name, with an
empty environment (both lie on its stack) and a fixed seed for what the kernel gives it at random.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rdpass.core.errors import DeviceError, TargetError
from rdpass.profiling.emulation.blocks import TranslationBlock
from rdpass.profiling.emulation.plugin import counting_plugin
from rdpass.targets.lookup import Target
from rdpass.targets.toolchain import find_launcher

LINE = 64
"""Bytes of a cache line, in every core that is modelled."""

_COUNTS = "counts"
# What the emulator may need on this machine, and the emulated program has no use for.
_HOST_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "QEMU_LD_PREFIX", "HOME")
_UNSET = ",".join((*_HOST_VARIABLES, "PWD", "OLDPWD", "SHLVL", "_"))


@dataclass(frozen=True)
class Caches:
    """The two levels of data cache that are simulated: bytes and ways of each."""

    l1: int = 32 << 10
    l1_ways: int = 2
    l2: int = 1 << 20
    l2_ways: int = 16


@dataclass(frozen=True)
class Profile:
    """Profile of what ran between the program's two marks, and the program's output."""

    blocks: tuple[TranslationBlock, ...]
    accesses: int
    l1_misses: int
    l2_misses: int
    printed: str


def profile(
    folder: Path,
    command: Sequence[str],
    target: Target,
    caches: Caches | None,
    *,
    variables: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> Profile:
    """Run ``command`` (its program relative to ``folder``) as on ``target``'s core; without ``caches``, no misses.

    The program's environment holds ``variables`` and nothing else.

    Raises:
        TargetError: the emulator is missing or takes no plugin.
        DeviceError: the program failed, took longer than ``timeout`` seconds, or never reached both marks.
    """
    counts = folder / _COUNTS
    counts.unlink(missing_ok=True)
    launcher = [*find_launcher(target)]
    if not launcher:
        raise TargetError(f"{target.name} is this machine's own architecture; costs are counted under an emulator")
    _check_plugins(launcher[0])
    arguments = [f"{counting_plugin()}", f"out={counts.absolute()}", *_arguments(caches)]
    launcher += ["-seed", "1", "-U", _UNSET, "-plugin", ",".join(arguments)]
    launcher += [word for name, value in (variables or {}).items() for word in ("-E", f"{name}={value}")]
    try:
        done = subprocess.run(
            [*launcher, *command], cwd=folder, env=_environment(), capture_output=True, text=True, check=False,
            timeout=timeout,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{command[0]} was still running under the emulator after {timeout} s") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or "it said nothing"
        raise DeviceError(f"{command[0]} failed under the emulator ({done.returncode}): {said}")
    if not counts.exists():
        raise DeviceError(f"{command[0]} ended before it had made both marks")
    return _read(counts, done.stdout)


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _HOST_VARIABLES if name in os.environ}


def _check_plugins(command: str) -> None:
    help_text = subprocess.run([command, "-h"], capture_output=True, text=True, check=False).stdout
    if "-plugin" not in help_text:
        raise TargetError(f"{command} takes no plugins (a static build); apt install qemu-user, the dynamic one")


def _arguments(caches: Caches | None) -> list[str]:
    if caches is None:
        return []
    return [f"l1={caches.l1}", f"l1ways={caches.l1_ways}", f"l2={caches.l2}", f"l2ways={caches.l2_ways}"]


def _read(path: Path, printed: str) -> Profile:
    with path.open() as file:
        head = next(file).split()
        totals = {name: int(number) for name, number in zip(head[::2], head[1::2], strict=True)}
        blocks = tuple(map(_block, file))
    return Profile(blocks, totals["accesses"], totals["l1_misses"], totals["l2_misses"], printed)


def _block(line: str) -> TranslationBlock:
    address, runs, l1_misses, l2_misses, *words = line.split()
    opcodes = tuple(int(word, 16) for word in words)
    return TranslationBlock(int(address, 16), int(runs), int(l1_misses), int(l2_misses), opcodes)
