"""Let the caller provide the memory of local arrays that are too large for the stack: each becomes one more pointer.

TVM would ask its runtime's allocator for them at every call. This comes right before ``LowerTVMBuiltin``, after
``StackLocals``. Preserves every value. It is no pass of TVM's, for those can't raise errors of ours.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import tirx
from tvm.tirx.buffer import buffer_data_pointer_type

from rdpass.core.errors import ConfigError
from rdpass.passes.tir.allocations import allocated_bytes, replace_allocations
from rdpass.passes.tir.stack_locals import fits_stack

LIFTED = "rdpass.lifted"
"""The attribute with the bytes of every array lifted, in the order of the pointers behind the function's own."""


def lift_locals(module: tvm.IRModule) -> tvm.IRModule:
    """``module``, of nothing but TIR functions, with no array allocated but on the stack.

    Raises:
        ConfigError: an array's size is not known, or every thread of a loop would need its own.
    """
    result = tvm.IRModule({}, attrs=module.attrs)
    for variable, function in module.functions_items():
        result.update_func(variable, _lifted(variable.name_hint, function))
    return result


def _lifted(name: str, function: Any) -> Any:
    pointers: list[Any] = []
    sizes: list[int] = []

    def lift(allocation: Any, in_parallel: bool) -> Any:
        buffer = allocation.buffer
        if fits_stack(buffer):
            return allocation
        size = allocated_bytes(buffer)
        if size is None or in_parallel:
            raise ConfigError(f"{name} allocates memory while it runs; use --runtime vm")
        pointers.append(tirx.Var(f"{buffer.name}_data", buffer_data_pointer_type(buffer)))
        sizes.append(size)
        return tirx.DeclBuffer(buffer, data=pointers[-1])

    body = replace_allocations(function.body, lift)
    result = tirx.PrimFunc([*function.params, *pointers], body, function.ret_type, function.attrs)
    return result.with_attr(LIFTED, sizes)
