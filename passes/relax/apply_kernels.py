"""Put our own kernels where a rule has one.

It runs while convolutions are still operators and weights are still constants, so that a rule sees the whole of
conv + bias + activation (or two such in a row), packs the weights, and picks a layout. What no rule wants stays as it
is and is lowered by TVM; ``fallbacks.find_fallbacks`` lists that by name.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import relax
from tvm.relax.dpl import rewrite_call

from rdpass.kernels import Kernel, KernelRule, Workload

SCHEDULED = "tirx.is_scheduled"
# TVM's number for "never fuse this with its neighbours": a kernel is complete as it is.
_OPAQUE = 8


@tvm.transform.module_pass(opt_level=0, name="ApplyKernels")
class ApplyKernels:
    """Preserves values up to the kernels' rounding; each call of a kernel replaces the operators of one workload."""

    def __init__(self, rules: tuple[KernelRule, ...], target: tvm.target.Target) -> None:
        self.rules = rules
        self.target = target

    def transform_module(self, module: tvm.IRModule, context: Any) -> tvm.IRModule:
        builder = relax.BlockBuilder(module)
        for variable, function in module.functions_items():
            if isinstance(function, relax.Function):
                builder.update_func(variable, self._rewrite(function, builder))
        return relax.transform.DeadCodeElimination()(builder.finalize())

    def _rewrite(self, function: Any, builder: relax.BlockBuilder) -> Any:
        for rule in self.rules:
            function = rewrite_call(rule.pattern, _replacer(rule, self.target, builder), function)
        return function


def _replacer(rule: KernelRule, target: tvm.target.Target, builder: relax.BlockBuilder) -> Any:
    def replace(root: Any, parts: Any) -> Any:
        kernel = rule.kernel(Workload(root, dict(parts.items())), target)
        return root if kernel is None else _call(kernel, builder, rule.name)

    return replace


def _call(kernel: Kernel, builder: relax.BlockBuilder, name: str) -> Any:
    function = kernel.function.with_attr(SCHEDULED, True).with_attr("op_pattern", _OPAQUE)
    variable = builder.add_func(function.without_attr("global_symbol"), name)
    result = relax.call_tir(variable, list(kernel.arguments), out_ty=kernel.writes)
    if kernel.restore is None:
        return result
    # relax.op.layout_transform asks for the type of its argument, which a call has only once it is in a block.
    return relax.op._ffi_api.layout_transform(result, kernel.restore, None)
