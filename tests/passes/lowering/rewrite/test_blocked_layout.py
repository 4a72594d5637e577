"""Maps in blocks of channels and back: the place of every number, zeros where channels fill no block."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tvm
from tvm import te

from rdpass.core.numeric_types import FLOAT32, INT8, UINT8
from rdpass.deploy.lowering import tvm_target
from rdpass.passes.lowering.rewrite.blocked_layout import (
    block_channels,
    block_constant,
    blocked_shape,
    unblock_channels,
)
from rdpass.targets.lookup import host_target
from tests.kernels.layout import from_blocked, to_blocked

SHAPES = [(1, 8, 3, 5), (2, 5, 7, 1), (3, 1, 1, 4), (1, 13, 1, 1)]


def computed(rule: Any, given: Any, shape: tuple[int, ...], kind: str = FLOAT32) -> Any:
    """What the rule makes of an array, computed here."""
    x = te.placeholder(given.shape, str(given.dtype))
    function = te.create_prim_func([x, rule(x)])
    built = tvm.compile(tvm.IRModule({"main": function}), target=tvm_target(host_target()))
    result = tvm.runtime.tensor(np.full(shape, 99, kind))
    built["main"](tvm.runtime.tensor(given), result)
    return result.numpy()


@pytest.mark.parametrize("lanes", [4, 8])
@pytest.mark.parametrize("shape", SHAPES)
def test_channels_lie_in_blocks_with_zeros_behind_the_last(shape: tuple[int, ...], lanes: int) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    blocked = computed(block_channels(lanes, FLOAT32), x, blocked_shape(shape, lanes))
    assert blocked.shape == (shape[0], -(-shape[1] // lanes), shape[2] * shape[3], lanes)
    assert np.array_equal(blocked, to_blocked(x, lanes))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_way_back_leaves_out_the_channels_that_were_filled_up(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    blocked = to_blocked(x, 4, filling=9.0)
    assert np.array_equal(computed(unblock_channels(shape, FLOAT32), blocked, shape), x)
    assert np.array_equal(from_blocked(blocked, *shape[1:]), x)


@pytest.mark.parametrize(("given", "kept", "zero"), [(UINT8, INT8, 128), (INT8, UINT8, -128), (INT8, INT8, 0)], ids=str)
def test_bytes_are_kept_as_those_of_the_other_sign_and_come_back(given: Any, kept: Any, zero: int) -> None:
    x = np.arange(256).astype(given.value).reshape(1, 4, 8, 8)
    blocked = computed(block_channels(16, kept), x, (1, 1, 64, 16), kept)
    assert np.array_equal(from_blocked(blocked, 4, 8, 8).astype(int), x.astype(int) - zero)
    assert np.array_equal(computed(unblock_channels(x.shape, given), blocked, x.shape, given), x)


@pytest.mark.parametrize("form", [(1, 5, 1, 1), (5, 1, 1)])
def test_a_constant_per_channel_is_one_pixel_in_blocks(form: tuple[int, ...]) -> None:
    given = np.arange(1, 6, dtype=np.float32).reshape(form)
    assert block_constant(given, 4).value.numpy().tolist() == [[[[1, 2, 3, 4]], [[5, 0, 0, 0]]]]
