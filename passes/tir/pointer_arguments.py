"""Make functions of tensors C functions of pointers, ``int f(void *, ...)``, that need no runtime to be called.

Left alone, TVM would have them take DLPack descriptors in an array, and check shapes and types at every call, in code
and texts that are larger than many a kernel. Here shapes were settled when the code was built. A caller may count on:

1. Tensors begin at the pointer (offset 0) and may lie at any address that fits their elements.
2. No two pointers may lead to overlapping tensors where one is written (``noalias``).
3. The result is 0, or what the launcher of parallel loops returned.

This comes before TVM's lowering, and keeps it from packing the arguments. Preserves every value. It is no pass of
TVM's, for those can't raise errors of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx
from tvm.tirx.buffer import buffer_data_pointer_type

from rdpass.core.errors import ConfigError

# A calling convention that TVM takes for settled.
_SETTLED = 2
_PACKED = ("tirx.tvm_call_packed", "tirx.tvm_call_cpacked")


def take_pointers(module: tvm.IRModule, symbols: Mapping[str, str]) -> tvm.IRModule:
    """``module``, of nothing but TIR functions, with every function taking pointers; ``symbols``: the C name of each.

    Raises:
        ConfigError: a function calls one of TVM's runtime.
    """
    result = tvm.IRModule({}, attrs=module.attrs)
    for variable, function in module.functions_items():
        name = variable.name_hint
        _check(name, function)
        result.update_func(variable, _with_pointers(function).with_attr("global_symbol", symbols[name]))
    return result


def _with_pointers(function: Any) -> Any:
    pointers, start = [], []
    for tensor in function.params:
        pointers.append(tirx.Var(f"{tensor.name}_data", buffer_data_pointer_type(tensor)))
        if isinstance(tensor.elem_offset, tvm.ir.Var):
            start.append(tirx.Bind(tensor.elem_offset, tirx.const(0, tensor.elem_offset.ty.dtype)))
        start.append(tirx.DeclBuffer(tensor, data=pointers[-1]))
    body = tirx.SeqStmt([*start, function.body, tirx.Return(tirx.const(0, "int32"))])
    result = tirx.PrimFunc(pointers, body, tvm.ir.PrimType("int32"), function.attrs)
    return result.with_attr("calling_conv", _SETTLED).with_attr("tirx.noalias", True)


def _check(name: str, function: Any) -> None:
    called: list[str] = []

    def collect(call: Any) -> None:
        if isinstance(call.op, tvm.ir.Op) and call.op.name.startswith(_PACKED):
            called.append(str(getattr(call.args[0], "value", call.args[0])))

    tvm_ffi.structural_walk(function.body, (tvm.ir.Call, collect))
    if called:
        raise ConfigError(f"{name} calls {called[0]}, a function of TVM's runtime; use --runtime vm")
