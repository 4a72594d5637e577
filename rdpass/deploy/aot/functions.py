"""The functions of a network as machine code that C can call: ``int f(void *, ...)``, a pointer for every tensor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tvm
from tvm import tirx

from rdpass.deploy.lowering import tvm_target
from rdpass.passes.tir.lift_locals import LIFTED
from rdpass.passes.tir.pipeline import lower_to_pointers
from rdpass.targets.lookup import Target

LAUNCH = "TVMBackendParallelLaunch"
"""What a parallel loop calls: ``int (int (*task)(int, group *, void *), void *data, int tasks)``."""

REGISTER = "TVMFFIEnvModRegisterSystemLibSymbol"
"""What the code calls when a program starts, to be found by TVM's runtime: ``int (const char *, void *)``."""


@dataclass(frozen=True)
class Functions:
    """Compiled functions: by name their C symbols, and the bytes of each array that a caller provides besides."""

    module: Any
    symbols: dict[str, str]
    lifted: dict[str, tuple[int, ...]]

    def write_object(self, path: Path) -> None:
        self.module.write_to_file(str(path), "o")


def compile_functions(module: tvm.IRModule, target: Target) -> Functions:
    """Every TIR function of ``module``, compiled for ``target``.

    Raises:
        ConfigError: a function needs TVM's runtime.
        TargetError: LLVM does not know the target's CPU.
    """
    functions = {v.name_hint: f for v, f in module.functions_items() if isinstance(f, tirx.PrimFunc)}
    symbols = {name: f"rdpass_{index}_{_word(name)}" for index, name in enumerate(sorted(functions))}
    made_for = tvm_target(target)
    lowered = lower_to_pointers(tvm.IRModule(functions), made_for, symbols)
    # A system library calls what it needs by name; others go through pointers that somebody has to set first.
    built = tvm.get_global_func("target.build.llvm")(lowered.with_attr("system_lib_prefix", ""), made_for)
    lifted = {v.name_hint: tuple(map(int, f.attrs[LIFTED])) for v, f in lowered.functions_items()}
    return Functions(built, symbols, lifted)


def _word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name)
