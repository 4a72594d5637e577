import numpy as np
import pytest
import tvm
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.errors import ConfigError
from rdpass.core.numeric_types import FLOAT32
from rdpass.deploy.lowering import tvm_target
from rdpass.kernels.builder.emit import parallel, serial
from rdpass.kernels.builder.function import argument, function, load, store
from rdpass.passes.tir.lift_locals import LIFTED
from rdpass.passes.tir.pipeline import lower_to_pointers
from rdpass.passes.tir.stack_locals import LIMIT
from rdpass.targets.lookup import find_target, host_target

BOARD = find_target("rpi4")


def doubling(floats, threads=1):
    """Doubles what it is given, by way of an array of its own."""

    def write():
        x, y = argument("x", FLOAT32, 4, floats), argument("y", FLOAT32, 4, floats)
        with parallel(4, threads=threads) as (row,):
            held = T.alloc_buffer((floats,), "float32")
            with serial(floats) as index:
                store(held, load(x, row, index, lanes=1) * T.float32(2), index, lanes=1)
            with serial(floats) as index:
                store(y, load(held, index, lanes=1), row, index, lanes=1)

    return tvm.IRModule({"double": function("double", FLOAT32, write).without_attr("global_symbol")})


def lowered(module, target=BOARD):
    return lower_to_pointers(module, tvm_target(target), {"double": "rdpass_double"})["double"]


def test_functions_take_pointers_alone_and_say_whether_it_went_well():
    module = doubling(8)
    before = module.script()
    result = lowered(module)
    assert module.script() == before
    assert result.attrs["global_symbol"] == "rdpass_double"
    assert len(result.params) == 3  # x, y, the workspace
    assert all(isinstance(parameter.ty, tvm.ir.PointerType) for parameter in result.params)
    assert str(result.ret_type) == "T.int32" or "int32" in str(result.ret_type)


@pytest.mark.parametrize(("floats", "lifted"), [(LIMIT // 4, []), (LIMIT // 4 + 1, [LIMIT + 4])])
def test_arrays_beyond_the_limit_become_one_more_pointer(floats, lifted):
    result = lowered(doubling(floats))
    assert [int(size) for size in result.attrs[LIFTED]] == lifted
    assert len(result.params) == 3 + len(lifted)
    assert "alloc_workspace" not in result.script().lower()


def test_an_array_for_every_thread_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"double allocates memory while it runs; use --runtime vm"):
        lowered(doubling(LIMIT, threads=2))


def test_a_call_of_tvms_runtime_is_refused_by_name():
    def write():
        x = argument("x", FLOAT32, 4)
        T.evaluate(tirx.call_packed("testing.echo", x))

    module = tvm.IRModule({"double": function("double", FLOAT32, write).without_attr("global_symbol")})
    with pytest.raises(ConfigError, match=r"double calls testing.echo, a function of TVM's runtime; use --runtime vm"):
        lowered(module)


def test_the_machine_code_doubles(tmp_path):
    import ctypes
    import subprocess

    floats = LIMIT // 4 + 3
    target = host_target()
    built = lowered(doubling(floats), target)
    module = tvm.IRModule({"double": built}).with_attr("system_lib_prefix", "")
    code = tvm.get_global_func("target.build.llvm")(module, tvm_target(target))
    code.write_to_file(str(tmp_path / "double.o"), "o")
    (tmp_path / "none.c").write_text("int TVMFFIEnvModRegisterSystemLibSymbol(const char *n, void *s) { return 0; }\n")
    command = ["gcc", "-shared", "-fPIC", "none.c", "double.o", "-o", "double.so"]
    subprocess.run(command, cwd=tmp_path, check=True)
    x = np.random.default_rng(0).standard_normal((4, floats)).astype(np.float32)
    y, workspace, held = np.zeros_like(x), np.zeros(16, np.float32), np.zeros(floats, np.float32)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (x, y, workspace, held)]
    assert ctypes.CDLL(str(tmp_path / "double.so")).rdpass_double(*pointers) == 0
    assert np.array_equal(y, 2 * x)
