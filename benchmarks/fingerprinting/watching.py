"""What a build hands to TVM and to the linker, and which tile each kernel has, seen from outside.

TVM's own functions are watched, not the project's, so that it does not matter where in the project they are called:
``tvm.compile`` gets the lowered network, ``VMExecutable.export_library`` the linker and its options. Tiles show nowhere
outside; they are asked of the class of a place with its kernel, which is known by its fields, whatever its name and
module. Where there is none, no tile is told.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import tvm
from tvm import relax

import rdpass

_FIELDS = {"placement", "workload", "tile"}


@dataclass
class Seen:
    """The last module that was compiled and how, how it was linked, and by a kernel's name its workload and tile."""

    module: tvm.IRModule | None = None
    compiled: dict[str, Any] = field(default_factory=dict)
    linked: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, tuple[str, str]] = field(default_factory=dict)


@contextmanager
def watched() -> Iterator[Seen]:
    """What the builds within it show."""
    seen = Seen()
    compile_, export = tvm.compile, relax.VMExecutable.export_library

    def compiled(module: tvm.IRModule, *words: Any, **options: Any) -> Any:
        seen.module, seen.compiled = module, options
        return compile_(module, *words, **options)

    def exported(executable: Any, *words: Any, **options: Any) -> Any:
        seen.linked = {name: value for name, value in options.items() if name != "workspace_dir"}
        return export(executable, *words, **options)

    with (
        patch.object(tvm, "compile", compiled),
        patch.object(relax.VMExecutable, "export_library", exported),
        _choices(seen.choices),
    ):
        yield seen


@contextmanager
def _choices(found: dict[str, tuple[str, str]]) -> Iterator[None]:
    kind = placement_kind()
    if kind is None:
        yield
        return
    make = kind.kernel

    def kernel(self: Any, *words: Any) -> Any:
        made = make(self, *words)
        found[made.name] = repr(self.workload), repr(self.tile)
        return made

    with patch.object(kind, "kernel", kernel):
        yield


def placement_kind() -> Any:
    """The class of a place with its kernel: with these fields, and a method that makes the kernel."""
    _ = rdpass.compile  # its module, and all that it takes, is loaded when it is first asked for
    modules = [module for name, module in sorted(sys.modules.items()) if name.startswith("rdpass.")]
    kinds = [kind for module in modules for kind in vars(module).values() if isinstance(kind, type)]
    return next((kind for kind in kinds if _fields(kind) >= _FIELDS and hasattr(kind, "kernel")), None)


def _fields(kind: type) -> set[str]:
    return set(inspect.get_annotations(kind))
