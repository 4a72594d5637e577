"""The TIR pipelines that networks and kernels are built with: TVM's own for schedules, and locals on the stack.

Kernels of ours go without ``CompactBufferAllocation``, which takes a quarter of TVM's time with them and finds nothing
to save: their machine code is the same without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm
from tvm import tirx
from tvm.s_tir import pipeline as tvm_pipeline

from rdpass.kernels.builder.function import WORKSPACE
from rdpass.passes.tir.lift_locals import lift_locals
from rdpass.passes.tir.pointer_arguments import take_pointers
from rdpass.passes.tir.stack_locals import StackLocals

NAME = "rdpass"
"""Its name in ``tvm.tirx.build(..., pipeline=NAME)`` and ``tvm.compile(..., tir_pipeline=...)``."""


def tir_pipeline() -> tuple[Any, Any, Any]:
    """Passes for all functions, for those of the host, and for those of a device, as TVM wants them."""
    passes, host, device = tvm_pipeline.default_s_tir_pipeline()
    return _ByMaker(passes), lambda: tvm.transform.Sequential([StackLocals(), host()]), device


def lower_to_pointers(module: tvm.IRModule, target: tvm.target.Target, symbols: Mapping[str, str]) -> tvm.IRModule:
    """Every function of ``module`` as TVM's code generator takes it, a C function of pointers (``pointer_arguments``)
    that allocates nothing (``lift_locals``).

    Raises:
        ConfigError: a function needs TVM's runtime.
    """
    passes, host, _ = tvm_pipeline.default_s_tir_pipeline()
    bind = tirx.transform.BindTarget(target.with_host(target))
    lowered = tvm.transform.Sequential([bind, _ByMaker(passes), StackLocals()])(take_pointers(module, symbols))
    return host()(lift_locals(lowered))


@tvm.transform.module_pass(opt_level=0, name="rdpass.ByMaker")
class _ByMaker:
    """``passes``, for kernels without the one that does nothing to them."""

    def __init__(self, passes: Any) -> None:
        self._passes = passes

    def transform_module(self, module: tvm.IRModule, context: tvm.transform.PassContext) -> tvm.IRModule:
        kernels = {name: f for name, f in module.functions_items() if f.attrs is not None and WORKSPACE in f.attrs}
        others = {name: f for name, f in module.functions_items() if name not in kernels}
        without = tvm.transform.PassContext(
            context.opt_level,
            disabled_pass=[*context.disabled_pass, "s_tir.CompactBufferAllocation"],
            instruments=context.instruments,
            config=dict(context.config),
        )
        done = self._lowered(others, module)
        with without:
            done |= self._lowered(kernels, module)
        if kernels and others:  # a function that is alone in its module is taken for the one to begin with
            done = {name: function.without_attr("tirx.is_entry_func") for name, function in done.items()}
        return tvm.IRModule(done, attrs=module.attrs)

    def _lowered(self, functions: Mapping[Any, Any], module: tvm.IRModule) -> dict[Any, Any]:
        lowered = self._passes(tvm.IRModule(functions, attrs=module.attrs)) if functions else tvm.IRModule()
        return dict(lowered.functions_items())


tirx.register_tir_pipeline(NAME, tir_pipeline)
