"""The programs that building and checking for a target need: a C++ compiler and, for a foreign CPU, an emulator."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rdpass.core.errors import TargetError
from rdpass.targets.lookup import Target

ANDROID_API = 29
"""The oldest Android (10) that code is built for: the first whose loader knows thread-local variables."""

_NDK_CLANG = "toolchains/llvm/prebuilt/*/bin/clang++"
_EMULATORS = ("qemu-{0}", "qemu-{0}-static")


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler that makes programs for a target: its command, its name with the version, what to call it with
    always, and whether it links programs (else it makes libraries only)."""

    command: str
    version: str
    options: tuple[str, ...] = ()
    links: bool = True

    @property
    def call(self) -> tuple[str, ...]:
        return (self.command, *self.options)

    def tool(self, name: str) -> str:
        """The command of another tool of the same collection, such as ``objcopy``."""
        place, kind = Path(self.command).parent, Path(self.command).name
        wanted = f"llvm-{name}" if kind.startswith("clang") else f"{kind.removesuffix('g++')}{name}"
        if (place / wanted).exists():
            return str(place / wanted)
        return _answer(self.command, f"-print-prog-name={wanted}") or wanted


def find_compiler(target: Target) -> Compiler:
    """The C++ compiler for ``target``.

    Raises:
        TargetError: there is none on the PATH; the message names the package to install.
    """
    if target.is_android:
        return _android_compiler(target)
    name = "g++" if target.is_native else f"{target.triple}-g++"
    command = shutil.which(name)
    if command is None:
        package = "g++" if target.is_native else f"g++-{target.triple}"
        raise TargetError(f"no C++ compiler for {target.name}: {name} is not on the PATH; apt install {package}")
    return Compiler(command, f"{name} {_answer(command, '-dumpfullversion')}")


def _android_compiler(target: Target) -> Compiler:
    """The NDK's clang where ``RDPASS_NDK`` names its folder, else any: a library takes none of the NDK's files."""
    ndk = os.environ.get("RDPASS_NDK")
    if ndk:
        command = next((str(path) for path in sorted(Path(ndk).glob(_NDK_CLANG))), None)
        reason = f"RDPASS_NDK is {ndk}, and {_NDK_CLANG} is not there"
    else:
        command = shutil.which("clang++")
        reason = "clang++ is not on the PATH; apt install clang lld, or name the Android NDK's folder in RDPASS_NDK"
    if command is None:
        raise TargetError(f"no C++ compiler for {target.name}: {reason}")
    made_for = f"--target={target.triple}{ANDROID_API}"
    options = (made_for, "-fuse-ld=lld", "-fno-emulated-tls", "-Wno-unused-command-line-argument")
    return Compiler(command, f"clang++ {_answer(command, '-dumpversion')}", options, links=bool(ndk))


def _answer(command: str, question: str) -> str:
    return subprocess.run([command, question], capture_output=True, text=True, check=False).stdout.strip()


def find_launcher(target: Target) -> tuple[str, ...]:
    """The words before a program built for ``target`` that run it here: none on the same CPU, else an emulator.

    The emulator poses as the target's core where it knows it, so that an instruction the core lacks is found.

    Raises:
        TargetError: no emulator, or no C++ library of that architecture; the message names the package to install.
    """
    if target.is_native:
        return ()
    if target.is_android:
        raise TargetError(f"programs for Android don't run here: push what was built for {target.name} to a device")
    names = [name.format(target.architecture) for name in _EMULATORS]
    command = next(filter(None, map(shutil.which, names)), None)
    if command is None:
        raise TargetError(f"no emulator for {target.name}: {names[0]} is not on the PATH; apt install qemu-user")
    return (command, "-cpu", emulated_core(command, target), *_sysroot(target))


def emulated_core(command: str, target: Target) -> str:
    """The core ``command`` is to pose as; ``max`` (every feature it has) where it does not know the target's."""
    wanted = "cortex-a53" if target.cpu == "generic" else target.cpu
    listing = subprocess.run([command, "-cpu", "help"], capture_output=True, text=True, check=False).stdout
    return wanted if wanted in listing.split() else "max"


def _sysroot(target: Target) -> tuple[str, ...]:
    """``-L`` and the folder of the target's C and C++ libraries, unless the environment names one."""
    if os.environ.get("QEMU_LD_PREFIX"):
        return ()
    root = Path("/usr", target.triple)
    if not (root / "lib" / "libstdc++.so.6").exists():
        raise TargetError(f"no C++ library for {target.name}; apt install g++-{target.triple}")
    return ("-L", str(root))
