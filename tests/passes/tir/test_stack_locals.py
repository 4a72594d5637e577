import numpy as np
import pytest
import tvm
from tvm.script.ir_builder import tirx as T

from rdpass.core.numeric_types import FLOAT32
from rdpass.deploy.lowering import tvm_target
from rdpass.kernels.builder.emit import parallel, serial
from rdpass.kernels.builder.function import argument, function, load, store
from rdpass.kernels.templates.direct import DirectTile, direct
from rdpass.passes.tir.pipeline import NAME
from rdpass.passes.tir.stack_locals import LIMIT, StackLocals
from rdpass.targets.isa import ASIMD
from rdpass.targets.lookup import find_target, host_target
from tests.kernels.assembly import assembly_of, hottest
from tests.kernels.networks import conv

BOARD = find_target("rpi4")
WORKSPACE = "__TVMBackendAllocWorkspace"


@pytest.fixture(scope="module")
def kernel():
    """Its sums are a local array, small enough for the stack."""
    return direct(conv(16, 16, 14, 3), DirectTile(), ASIMD, 1, "kernel")


def test_without_the_pass_sums_are_stored_in_the_hot_loop(kernel):
    """The fault that the pass is there for. Should TVM mend it, the pass can go."""
    assembly = assembly_of(kernel, BOARD, "default")
    assert WORKSPACE in assembly
    assert hottest(assembly).stored_sums


def test_with_the_pass_they_stay_in_registers_and_no_workspace_is_asked_for(kernel):
    assembly = assembly_of(kernel, BOARD, NAME)
    assert WORKSPACE not in assembly
    assert hottest(assembly).stored_sums == set()


def nested(floats):
    """An array of its own inside loops, a parallel one and a branch; doubles what it is given."""

    def write():
        x, y = argument("x", FLOAT32, 4, floats), argument("y", FLOAT32, 4, floats)
        with parallel(4, threads=2) as (row,), T.If(row >= 0), T.Then(), serial(1):
            held = T.alloc_buffer((floats,), "float32")
            with serial(floats) as index:
                store(held, load(x, row, index, lanes=1) * T.float32(2), index, lanes=1)
            with serial(floats) as index:
                store(y, load(held, index, lanes=1), row, index, lanes=1)

    return function("kernel", FLOAT32, write)


@pytest.mark.parametrize(("floats", "on_stack"), [(2, True), (LIMIT // 4, True), (LIMIT // 4 + 1, False)])
def test_arrays_are_moved_up_to_the_limit_wherever_they_stand_and_the_given_module_stays(floats, on_stack):
    module = tvm.IRModule({"kernel": nested(floats)})
    before = module.script()
    after = StackLocals()(module).script()
    assert module.script() == before
    assert "disable_lower_builtin" not in before
    assert ("disable_lower_builtin" in after) == on_stack


@pytest.mark.parametrize("floats", [1, LIMIT // 4, LIMIT // 4 + 1])
def test_values_stay(floats):
    given = np.arange(4 * floats, dtype=np.float32).reshape(4, floats)
    module = tvm.IRModule({"kernel": nested(floats).with_attr("global_symbol", "kernel")})
    built = tvm.tirx.build(module, target=tvm_target(host_target()), pipeline=NAME)
    result, workspace = (tvm.runtime.tensor(np.zeros_like(array)) for array in (given, given[0, :1].repeat(16)))
    built["kernel"](tvm.runtime.tensor(given), result, workspace)
    assert np.array_equal(result.numpy(), 2 * given)
