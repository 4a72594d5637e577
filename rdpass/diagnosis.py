"""Diagnose this machine: the tools for building and checking, what is missing, and how to get it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from rdpass.core.errors import TargetError
from rdpass.deploy.bundle.runtime_libraries import find_libraries
from rdpass.deploy.bundle.stb_image import STB, find_stb
from rdpass.targets.lookup import Target, find_target, host_target
from rdpass.targets.toolchain import find_compiler, find_launcher

# What the project is built and tested with: the newest tvm-ffi that pip would take crashes this release of TVM.
PINS = {"apache-tvm": "0.27.0.post1", "apache-tvm-ffi": "0.1.14.post1"}

_OF_DEVELOPERS = {"accuracy", "dev", "docs", "zoo-all"}
_REQUIREMENT = re.compile(r"([\w.-]+).*\bextra == ['\"]([\w-]+)['\"]")


@dataclass(frozen=True)
class Finding:
    """One thing that is needed: whether it is here, and which it is or how to get it."""

    need: str
    present: bool
    detail: str


def diagnose(board: str = "rpi4") -> tuple[Finding, ...]:
    """List what building and checking for this host and for ``board`` needs, and the extras."""
    findings = [_package(name, wanted) for name, wanted in PINS.items()]
    for target in (host_target(), find_target(board)):
        findings.append(_tool(f"C++ compiler for {target.architecture}", lambda t: find_compiler(t).version, target))
        findings.append(_tool(f"TVM runtime for {target.architecture}", _library_names, target))
        if not target.is_native:
            findings.append(_tool(f"emulator for {target.architecture}", _emulator, target))
    findings.append(_tool("JPEG and PNG in ./run", lambda _: f"{STB} {find_stb().version}", host_target()))
    return tuple(dict.fromkeys([*findings, *_extras()]))


def _extras() -> Iterator[Finding]:
    """What the extras of the installed package name, those of developers aside; nothing where it is not installed."""
    try:
        named = [found.groups() for wanted in requires("rdpass") or () if (found := _REQUIREMENT.match(wanted))]
    except PackageNotFoundError:
        return
    for extra in sorted({extra for _, extra in named} - _OF_DEVELOPERS):
        packages = [package for package, of in named if of == extra]
        missing = [package for package in packages if not _is_installed(package)]
        remedy = f"{', '.join(missing)} not installed; pip install 'rdpass[{extra}]'"
        yield Finding(f"extra {extra}", not missing, remedy if missing else ", ".join(packages))


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _package(name: str, wanted: str) -> Finding:
    try:
        found = version(name)
    except PackageNotFoundError:
        found = "nothing"
    if found == wanted:
        return Finding(name, True, found)
    return Finding(name, False, f"{found} is installed; pip install {name}=={wanted}")


def _tool(need: str, find: Callable[[Target], str], target: Target) -> Finding:
    try:
        return Finding(need, True, find(target))
    except TargetError as error:
        return Finding(need, False, str(error))


def _library_names(target: Target) -> str:
    return ", ".join(path.name for path in find_libraries(target))


def _emulator(target: Target) -> str:
    command, *options = find_launcher(target)
    return f"{command.rpartition('/')[2]}, posing as {options[1]}"
