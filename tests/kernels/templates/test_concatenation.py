"""Copies along channels: every number where it belongs, whoever shares the work; what they are called, and write."""

import numpy as np
import pytest
import tvm

from rdpass.core.numeric_types import FLOAT32
from rdpass.deploy.lowering import tvm_target
from rdpass.kernels.templates.concatenation import copy_kernel
from rdpass.passes.tir.pipeline import NAME
from rdpass.targets.isa import ASIMD, AVX2, isa_of
from rdpass.targets.lookup import host_target
from tests.kernels.cases import machine_with
from tests.kernels.layout import to_blocked
from tests.kernels.numbers import numbers

HERE = isa_of(host_target())


def called(kernel, arrays):
    """What all arguments hold after a call; the workspace, which no copy needs, is left out."""
    module = tvm.IRModule({"kernel": kernel.function.with_attr("global_symbol", "kernel")})
    built = tvm.tirx.build(module, target=tvm_target(host_target()), pipeline=NAME)
    tensors = [tvm.runtime.tensor(array) for array in (*arrays, np.zeros(16, np.float32))]
    built["kernel"](*tensors)
    return [tensor.numpy() for tensor in tensors[:-1]]


def maps(counts, isa, batch=2, pixels=21):
    return [to_blocked(numbers(i, batch, count * isa.lanes(FLOAT32), pixels, 1), isa.lanes(FLOAT32))
            for i, count in enumerate(counts)]  # fmt: skip


def copier(kind, counts, isa, threads, size=(2, 21)):
    channels = [count * isa.lanes(FLOAT32) for count in counts]
    return copy_kernel(kind, channels, size, FLOAT32, machine_with(isa, threads))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("isa", [ASIMD, AVX2], ids=lambda isa: isa.name)
@pytest.mark.parametrize("counts", [(1, 3, 2), (2, 2), (4,)], ids=str)
def test_parts_lie_one_behind_the_other_and_are_not_written_to(counts, isa, threads):
    parts = maps(counts, isa)
    whole = np.concatenate(parts, 1)
    *after, got = called(copier("concatenate", counts, isa, threads), [*parts, np.full_like(whole, np.nan)])
    assert np.array_equal(got, whole)
    assert all(map(np.array_equal, after, parts))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("counts", [(1, 3, 2), (2, 2), (4,)], ids=str)
def test_a_map_is_taken_apart_into_what_it_was_made_of(counts, threads):
    parts = maps(counts, HERE)
    whole = np.concatenate(parts, 1)
    after, *got = called(
        copier("split", counts, HERE, threads), [whole, *(np.full_like(part, np.nan) for part in parts)]
    )
    assert all(map(np.array_equal, got, parts))
    assert np.array_equal(after, whole)


@pytest.mark.parametrize("pixels", [1, 7, 8, 17])
def test_any_number_of_pixels_is_copied(pixels):
    parts = maps((1, 2), HERE, 1, pixels)
    whole = np.concatenate(parts, 1)
    got = called(copier("concatenate", (1, 2), HERE, 1, (1, pixels)), [*parts, np.full_like(whole, np.nan)])[-1]
    assert np.array_equal(got, whole)


def test_the_name_says_type_deed_channels_size_and_instruction_set():
    kernel = copy_kernel("split", [4, 12], (2, 21), FLOAT32, machine_with(ASIMD))
    assert kernel.name == "f32_split_4_12_2x21_asimd"
    assert kernel.features == ("asimd",)
    assert kernel.constants == ()
