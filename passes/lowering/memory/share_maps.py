"""Let maps lie inside others (``map_sharing``): what was concatenated or split there is not copied any more.

A map that lies inside another becomes a view of it, ``relax.memory.view``, for whoever plans memory. The home is
allocated where the first of its maps was. Preserves every value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tvm
from tvm import relax

from rdpass.passes.lowering.dataflow import bytes_of, operator_of, shape_of, type_of, variables_of
from rdpass.passes.lowering.memory.map_sharing import Program, Sharing, Step, share_maps
from rdpass.passes.lowering.memory.plan_arena import ALLOCATE
from rdpass.passes.lowering.rewrite.place_kernels import PARTS, RESULTS


@tvm.transform.module_pass(opt_level=0, name="ShareMaps")
class ShareMaps:
    """Wants allocations and calls, and no aliases: what ``CallTIRRewrite`` and ``CanonicalizeBindings`` leave."""

    def transform_module(self, module: tvm.IRModule, context: Any) -> tvm.IRModule:
        kernels = {
            variable.name_hint: function.attrs
            for variable, function in module.functions_items()
            if function.attrs and function.attrs.get(RESULTS) is not None
        }
        result = tvm.IRModule(module.functions, attrs=module.attrs)
        for variable, function in module.functions_items():
            if isinstance(function, relax.Function):
                result.update_func(variable, _shared(function, kernels))
        return result


@dataclass(frozen=True)
class _Body:
    """The bindings of a function; ``maps``: the variables that are allocated, in order."""

    bindings: tuple[Any, ...]
    result: Any
    kernels: Mapping[str, Any]

    @cached_property
    def maps(self) -> dict[Any, int]:
        allocated = [b.var for b in self.bindings if operator_of(b.value) == ALLOCATE and shape_of(b.var) is not None]
        return {variable: index for index, variable in enumerate(allocated)}

    def maps_of(self, expressions: Sequence[Any]) -> list[int]:
        read = [variable for each in expressions for variable in variables_of(each)]
        return [self.maps[variable] for variable in read if variable in self.maps]

    @cached_property
    def calls(self) -> list[int]:
        """The bindings that are steps of the program."""
        return [
            index
            for index, binding in enumerate(self.bindings)
            if isinstance(binding.value, relax.Call) and operator_of(binding.value) != ALLOCATE
        ]

    def program(self) -> Program:
        sizes = tuple(bytes_of(variable) or 0 for variable in self.maps)
        calls = [self.bindings[index].value for index in self.calls]
        fixed = {each for call in calls if self._kernel(call) is None for each in self.maps_of(call.args)}
        fixed.update(self.maps_of([self.result]))
        for binding in self.bindings:
            if isinstance(binding.value, relax.Tuple) and binding.var in variables_of(self.result):
                fixed.update(self.maps_of([binding.value]))
        return Program(sizes, tuple(self._step(call) for call in calls), frozenset(fixed))

    def _kernel(self, call: Any) -> Any | None:
        return self.kernels.get(getattr(call.op, "name_hint", ""))

    def _may_lie_inside(self, operand: Any) -> bool:
        """Tell whether it is a map of one image: of several, the channels of each lie apart."""
        shape = shape_of(operand)
        return operand in self.maps and shape is not None and shape[0] == 1

    def _step(self, call: Any) -> Step:
        touched, kernel = frozenset(self.maps_of(call.args)), self._kernel(call)
        if kernel is None:
            return Step(touched, touched)
        results = int(kernel[RESULTS]) + 1  # and the workspace
        writes = frozenset(self.maps_of(call.args[-results:]))
        *operands, workspace = call.args
        if PARTS not in kernel or not all(self._may_lie_inside(operand) for operand in operands):
            return Step(touched, writes)
        order = [self.maps[operand] for operand in operands]
        whole, parts = (order[-1], order[:-1]) if kernel[PARTS] == "concatenate" else (order[0], order[1:])
        return Step(touched - {self.maps[workspace]}, writes - {self.maps[workspace]}, whole, tuple(parts))


def _shared(function: Any, kernels: Mapping[str, Any]) -> Any:
    bindings = tuple(binding for block in function.body.blocks for binding in block.bindings)
    if not all(isinstance(binding, relax.VarBinding) for binding in bindings):
        return function
    body = _Body(bindings, function.body.body, kernels)
    sharing = share_maps(body.program())
    if not sharing.done:
        return function
    written = relax.BindingBlock(list(_rewritten(body, sharing)))
    return relax.Function(
        function.params, relax.SeqExpr([written], body.result), function.ret_ty, function.is_pure, function.attrs
    )


def _rewritten(body: _Body, sharing: Sharing) -> Iterator[Any]:
    variables = list(body.maps)
    allocations = {binding.var: binding for binding in body.bindings if binding.var in body.maps}
    done = {body.calls[step] for step in sharing.done}
    unused = {body.bindings[index].value.args[-1] for index in done}  # their workspaces
    builder, seen = relax.BlockBuilder(), set()
    for index, binding in enumerate(body.bindings):
        if index in done or binding.var in unused or _is_idle(binding, body.result):
            continue
        if binding.var not in body.maps:
            yield binding
            continue
        own = body.maps[binding.var]
        home, offset = sharing.homes[own]
        if home not in seen:
            seen.add(home)
            yield allocations[variables[home]]
        if home != own:
            shape = shape_of(binding.var)
            assert shape is not None
            view = builder.normalize(relax.op.memory.view(variables[home], shape, type_of(binding.var), offset))
            yield relax.VarBinding(binding.var, view)


def _is_idle(binding: Any, result: Any) -> bool:
    """Tell whether it only names a tuple that nobody reads: the calls name the fields."""
    return isinstance(binding.value, relax.Tuple) and binding.var not in variables_of(result)
