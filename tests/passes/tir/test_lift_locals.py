"""Arrays that are too large for the stack: each becomes one more pointer, whose bytes the caller is told."""

import pytest
import tvm
from tvm.script.ir_builder import tirx as T

from rdpass.core.errors import ConfigError
from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.emit import serial
from rdpass.kernels.builder.function import argument, function, load, store
from rdpass.passes.tir.lift_locals import LIFTED, lift_locals
from rdpass.passes.tir.stack_locals import LIMIT
from tests.passes.tir.doubling import doubling, lowered


@pytest.mark.parametrize(("floats", "lifted"), [(LIMIT // 4, []), (LIMIT // 4 + 1, [LIMIT + 4])])
def test_arrays_beyond_the_limit_become_one_more_pointer(floats, lifted):
    result = lowered(doubling(floats))
    assert [int(size) for size in result.attrs[LIFTED]] == lifted
    assert len(result.params) == 3 + len(lifted)
    assert "alloc_workspace" not in result.script().lower()


def test_an_array_for_every_thread_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"double allocates memory while it runs; use --runtime vm"):
        lowered(doubling(LIMIT, threads=2))


def test_small_arrays_stay_where_they_are_and_the_given_module_too():
    module = doubling(8)
    before = module.script()
    result = lift_locals(module)["double"]
    assert module.script() == before
    assert len(result.params) == len(module["double"].params)
    assert "alloc_buffer" in result.script()


def test_every_large_array_has_its_pointer_in_the_order_of_the_sizes():
    def write():
        x, y = argument("x", FLOAT32, 4, 2048), argument("y", FLOAT32, 4, 2048)
        first, second = (T.alloc_buffer((size,), "float32") for size in (1500, 2048))
        with serial(4) as row, serial(1500) as index:
            store(first, load(x, row, index, lanes=1), index, lanes=1)
            store(second, load(first, index, lanes=1), index, lanes=1)
            store(y, load(second, index, lanes=1), row, index, lanes=1)

    result = lift_locals(tvm.IRModule({"double": function("double", FLOAT32, write)}))["double"]
    assert [int(size) for size in result.attrs[LIFTED]] == [6000, 8192]
    assert len(result.params) == 3 + 2
    assert "alloc_buffer" not in result.script()


def test_an_array_of_unknown_size_is_refused_by_name():
    def write():
        x, y = argument("x", FLOAT32, 8), argument("y", FLOAT32, 8)
        with serial(8) as size:
            held = T.alloc_buffer((size + 1,), "float32")
            store(held, load(x, size, lanes=1), size, lanes=1)
            store(y, load(held, size, lanes=1), size, lanes=1)

    with pytest.raises(ConfigError, match="double allocates memory while it runs"):
        lift_locals(tvm.IRModule({"double": function("double", FLOAT32, write)}))
