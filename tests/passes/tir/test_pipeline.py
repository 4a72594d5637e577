"""The pipelines from a schedule to machine code: what is built can be called, with and without TVM's runtime."""

import ctypes
import subprocess

import numpy as np
import pytest
import tvm
from tvm.s_tir.pipeline import default_s_tir_pipeline

from rdpass.deploy.lowering import tvm_target
from rdpass.kernels.builder.function import WORKSPACE
from rdpass.kernels.choice import build_kernels, rank_tiles
from rdpass.kernels.machine import machine_of
from rdpass.passes.tir.pipeline import NAME, lower_to_pointers, tir_pipeline
from rdpass.passes.tir.stack_locals import LIMIT, StackLocals
from rdpass.targets.lookup import host_target
from tests.kernels.examples import EXAMPLES, integer_examples
from tests.kernels.numbers import constants_of
from tests.passes.tir.doubling import BOARD, doubling, lowered


def test_the_machine_code_doubles(tmp_path):
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


@pytest.mark.parametrize("floats", [1, 7, LIMIT // 4 + 1])
@pytest.mark.parametrize("threads", [1, 2])
def test_by_name_tvm_builds_functions_of_tensors_with_it(floats, threads):
    module = tvm.IRModule({"double": doubling(floats, threads)["double"].with_attr("global_symbol", "double")})
    built = tvm.tirx.build(module, target=tvm_target(host_target()), pipeline=NAME)
    x = np.random.default_rng(0).standard_normal((4, floats)).astype(np.float32)
    y, workspace = (tvm.runtime.tensor(np.zeros(shape, np.float32)) for shape in (x.shape, 16))
    built["double"](tvm.runtime.tensor(x), y, workspace)
    assert np.array_equal(y.numpy(), 2 * x)


def test_several_functions_are_lowered_together_and_the_given_module_stays():
    one, other = doubling(5)["double"], doubling(LIMIT)["double"]
    module = tvm.IRModule({"one": one, "other": other})
    before = module.script()
    result = lower_to_pointers(module, tvm_target(BOARD), {"one": "a", "other": "b"})
    assert module.script() == before
    assert {v.name_hint: len(f.params) for v, f in result.functions_items()} == {"one": 3, "other": 4}


def test_locals_go_on_the_stack_before_tvms_own_lowering_of_the_host():
    _, host, _ = tir_pipeline()
    names = [step.info.name for step in host().passes]
    assert names[0] == "StackLocals"
    assert len(names) == 2


def test_the_pass_that_kernels_go_without_makes_no_other_code_of_them(tmp_path):
    passes, host, device = default_s_tir_pipeline()
    every = passes, lambda: tvm.transform.Sequential([StackLocals(), host()]), device
    tvm.tirx.register_tir_pipeline("every", lambda: every)
    target = host_target()
    machine = machine_of(target)
    workloads = [*EXAMPLES[::4], *integer_examples(machine.isa.byte)[::6]]
    for work in workloads:
        kernels = build_kernels(work, constants_of(work), rank_tiles(work, machine)[0].tile, machine)
        functions = {f"k{i}": kernel.function.with_attr("global_symbol", f"k{i}") for i, kernel in enumerate(kernels)}
        for name in (NAME, "every"):
            built = tvm.tirx.build(tvm.IRModule(functions), target=tvm_target(target), pipeline=name)
            built.write_to_file(str(tmp_path / f"{name}.o"))
        assert (tmp_path / f"{NAME}.o").read_bytes() == (tmp_path / "every.o").read_bytes()
    assert len(workloads) > 8


def test_a_function_beside_a_kernel_is_not_taken_for_the_one_to_begin_with():
    bind = tvm.tirx.transform.BindTarget(tvm_target(host_target()).with_host(tvm_target(host_target())))
    kernel = doubling(3)["double"].with_attr("global_symbol", "kernel").with_attr(WORKSPACE, 16)
    other = doubling(3)["double"].with_attr("global_symbol", "other")
    ours, _, _ = tir_pipeline()
    lowered = ours(bind(tvm.IRModule({"kernel": kernel, "other": other})))
    assert [name.name_hint for name, f in lowered.functions_items() if "tirx.is_entry_func" in f.attrs] == []
