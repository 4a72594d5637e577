"""The programs that building and checking for a target need: a C++ compiler and, for a foreign CPU, an emulator."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rdpass.errors import TargetError
from rdpass.targets import ArmTarget

_EMULATORS = ("qemu-{0}", "qemu-{0}-static")


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler that makes programs for a target: its command, and its name with the version."""

    command: str
    version: str

    def tool(self, name: str) -> str:
        """The command of another tool of the same collection, such as ``objcopy``."""
        asked = [self.command, f"-print-prog-name={name}"]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or name


def find_compiler(target: ArmTarget) -> Compiler:
    """The C++ compiler for ``target``.

    Raises:
        TargetError: there is none on the PATH; the message names the package to install.
    """
    name = "g++" if target.is_native else f"{target.triple}-g++"
    command = shutil.which(name)
    if command is None:
        package = "g++" if target.is_native else f"g++-{target.triple}"
        raise TargetError(f"no C++ compiler for {target.name}: {name} is not on the PATH; apt install {package}")
    number = subprocess.run([command, "-dumpfullversion"], capture_output=True, text=True, check=False).stdout.strip()
    return Compiler(command, f"{name} {number}")


def find_launcher(target: ArmTarget) -> tuple[str, ...]:
    """What to put before a program built for ``target`` to run it here: nothing on the same CPU, else an emulator.

    The emulator poses as the target's core where it knows it, so that an instruction the core lacks is found.

    Raises:
        TargetError: no emulator, or no C++ library of that architecture; the message names the package to install.
    """
    if target.is_native:
        return ()
    names = [name.format(target.architecture) for name in _EMULATORS]
    command = next(filter(None, map(shutil.which, names)), None)
    if command is None:
        raise TargetError(f"no emulator for {target.name}: {names[0]} is not on the PATH; apt install qemu-user")
    return (command, "-cpu", emulated_core(command, target), *_sysroot(target))


def emulated_core(command: str, target: ArmTarget) -> str:
    """The core ``command`` is to pose as; ``max`` (every feature it has) where it does not know the target's."""
    wanted = "cortex-a53" if target.cpu == "generic" else target.cpu
    listing = subprocess.run([command, "-cpu", "help"], capture_output=True, text=True, check=False).stdout
    return wanted if wanted in listing.split() else "max"


def _sysroot(target: ArmTarget) -> tuple[str, ...]:
    """``-L`` and the folder of the target's C and C++ libraries, unless the environment names one."""
    if os.environ.get("QEMU_LD_PREFIX"):
        return ()
    root = Path("/usr", target.triple)
    if not (root / "lib" / "libstdc++.so.6").exists():
        raise TargetError(f"no C++ library for {target.name}; apt install g++-{target.triple}")
    return ("-L", str(root))
