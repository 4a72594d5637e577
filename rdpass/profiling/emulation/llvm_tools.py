"""LLVM's command-line tools, which Debian installs under versioned names: on the PATH, or in /usr/lib/llvm-*/bin.

The newest is taken, for the estimates are as good as its models of the cores: LLVM 14 takes a Neoverse N1 for a
Cortex-A57, without a word.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from rdpass.core.errors import TargetError

OLDEST = 19
"""The first version whose models the estimates have been compared with published times."""


@cache
def find_llvm_tool(name: str) -> str:
    """The command of ``llvm-mc``, ``llvm-mca`` or the like, of the newest version that is there.

    Raises:
        TargetError: there is none that is new enough; the message names the package.
    """
    plain = shutil.which(name)
    places = [*Path("/usr/lib").glob(f"llvm-*/bin/{name}"), *Path("/usr/bin").glob(f"{name}-*")]
    found = {command: llvm_version(command) for command in [*filter(None, [plain]), *map(str, places)]}
    newest = max(found, key=lambda command: found[command], default=None)
    if newest is None:
        raise TargetError(f"{name} is neither on the PATH nor in /usr/lib/llvm-*/bin; apt install llvm-19")
    if found[newest] < (OLDEST,):
        raise TargetError(
            f"{newest} is too old (its models of the cores differ from LLVM {OLDEST}'s); apt install llvm-19"
        )
    return newest


def llvm_version(command: str) -> tuple[int, ...]:
    """The version that ``command`` says it is of; empty where it says none."""
    printed = subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"LLVM version (\d+(?:\.\d+)*)", printed)
    return tuple(map(int, number[1].split("."))) if number else ()


def run_llvm_tool(name: str, arguments: list[str], text: str) -> str:
    """Output of the tool for ``text`` on its input, whatever it thinks of parts of it.

    Raises:
        TargetError: the tool is missing or printed nothing; the message carries the first thing it complained of.
    """
    done = subprocess.run([find_llvm_tool(name), *arguments], input=text, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        raise TargetError(f"{name} {' '.join(arguments)} failed: {next(iter(done.stderr.splitlines()), 'no reason')}")
    return done.stdout
