"""Keys of a record: the target by what its times depend on, the version of the kernels, and the network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import cache
from importlib.metadata import entry_points, version
from pathlib import Path

import rdpass.kernels
import rdpass.passes.tir
from rdpass.core import numeric_types
from rdpass.core.optimization import SPEED, Optimize
from rdpass.database.encoding import encode
from rdpass.kernels.registry import kernels
from rdpass.passes.lowering.match.find_workloads import Occurrence
from rdpass.targets import isa
from rdpass.targets.target import Target

_WORDS = ("name", "figures")
"""Fields of a target that say nothing of its times."""


def target_key(target: Target, optimize: Optimize = SPEED) -> str:
    """12 hexadecimal digits: two targets of equal core, number of cores, features and figures share them.

    A record compares a tile with the default, which is another one where kernels are chosen for something else.
    """
    what = {name: value for name, value in asdict(target).items() if name not in _WORDS}
    if optimize != SPEED:
        what["optimize"] = optimize
    return _digest(json.dumps(what, sort_keys=True).encode())


@cache
def code_key() -> str:
    """12 hexadecimal digits of the sources that make a kernel, of the packages that add some, and of TVM's release.

    A record of other sources says nothing of today's kernels.
    """
    folders = [sources(Path(package.__path__[0])) for package in (rdpass.kernels, rdpass.passes.tir)]
    tables = [Path(str(module.__file__)).read_bytes() for module in (isa, numeric_types)]
    return _digest(b"\0".join([version("apache-tvm").encode(), *folders, *tables, *_packages_with_kernels()]))


def _packages_with_kernels() -> Iterator[bytes]:
    """Names and versions of the installed packages that add kernels of their own."""
    for point in sorted(entry_points(group=kernels.group), key=lambda point: (point.name, point.value)):
        package = "" if point.dist is None else f"{point.dist.name} {point.dist.version}"
        yield f"{package} {point.name} {point.value}".encode()


def sources(folder: Path) -> bytes:
    """The names and contents of all Python files below ``folder``, sub-folders included, in one order."""
    files = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*.py"))
    return b"".join(name.encode() + b"\0" + path.read_bytes() + b"\0" for name, path in files)


def network_key(workloads: Iterable[Occurrence]) -> str:
    """12 hexadecimal digits: networks of equal workloads, each in as many places, share them, whatever their weights.

    What no kernel of ours computes takes as long with any tiles.
    """
    parts = (json.dumps([encode(found.workload), found.calls], sort_keys=True) for found in workloads)
    return _digest("\n".join(sorted(parts)).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
