"""Functions of tensors as C functions of pointers, which need no runtime to be called."""

import pytest
import tvm
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.errors import ConfigError
from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.function import argument, function
from rdpass.passes.tir.pointer_arguments import take_pointers
from tests.passes.tir.doubling import doubling, lowered


def test_functions_take_pointers_alone_and_say_whether_it_went_well():
    module = doubling(8)
    before = module.script()
    result = lowered(module)
    assert module.script() == before
    assert result.attrs["global_symbol"] == "rdpass_double"
    assert len(result.params) == 3  # x, y, the workspace
    assert all(isinstance(parameter.ty, tvm.ir.PointerType) for parameter in result.params)
    assert str(result.ret_type) == "T.int32" or "int32" in str(result.ret_type)


def test_a_call_of_tvms_runtime_is_refused_by_name():
    def write():
        x = argument("x", FLOAT32, 4)
        T.evaluate(tirx.call_packed("testing.echo", x))

    module = tvm.IRModule({"double": function("double", FLOAT32, write).without_attr("global_symbol")})
    with pytest.raises(ConfigError, match=r"double calls testing.echo, a function of TVM's runtime; use --runtime vm"):
        lowered(module)


def test_every_function_gets_the_symbol_given_and_promises_that_nothing_overlaps():
    one = doubling(8)["double"]
    module = tvm.IRModule({"double": one, "again": one})
    taken = take_pointers(module, {"double": "rdpass_a", "again": "rdpass_b"})
    assert {v.name_hint: f.attrs["global_symbol"] for v, f in taken.functions_items()} == {
        "double": "rdpass_a", "again": "rdpass_b",
    }  # fmt: skip
    for _, taken_function in taken.functions_items():
        assert bool(taken_function.attrs["tirx.noalias"])
        assert int(taken_function.attrs["calling_conv"]) == 2
        assert all(isinstance(parameter.ty, tvm.ir.PointerType) for parameter in taken_function.params)


def test_a_call_by_the_c_convention_of_packed_functions_is_refused_too():
    def write():
        argument("x", FLOAT32, 4)
        T.evaluate(tirx.call_cpacked("testing.echo", 1))

    module = tvm.IRModule({"double": function("double", FLOAT32, write)})
    with pytest.raises(ConfigError, match=r"double calls testing.echo"):
        take_pointers(module, {"double": "d"})
