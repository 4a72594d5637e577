"""Outputs of any form as flat lists, and in plain containers: in order, with all their tensors."""

from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch.fx.immutable_collections import immutable_dict, immutable_list

from rdpass.core.errors import ConfigError
from rdpass.core.tensors import arrays_of, plain_outputs, tensors_in
from tests.runs.nets import ModelOutput, Output, Pair


@dataclass
class Unregistered:
    first: Any
    second: Any


A, B, C = (torch.full((2, 3), float(number)) for number in range(3))


@pytest.mark.parametrize(
    "outputs",
    [(A, B, C), [A, (B, [C])], {"x": A, "y": {"z": [B], "w": (C,)}}, (A, None, B, (), [C])],
    ids=["a tuple", "nested", "dicts", "with gaps"],
)
def test_tensors_of_nested_outputs_come_in_order(outputs):
    assert [tensor.data_ptr() for tensor in tensors_in(outputs)] == [t.data_ptr() for t in (A, B, C)]
    assert [array[0, 0] for array in arrays_of(outputs)] == [0, 1, 2]


def test_one_tensor_is_a_list_of_one():
    assert tensors_in(A) == [A]
    assert np.array_equal(arrays_of(A)[0], A.numpy())


def test_whatever_else_is_among_tensors_is_left_out_but_not_compared():
    assert len(tensors_in((A, 1.5, "text", B))) == 2
    with pytest.raises(ConfigError, match=r"must return tensors.*this one returned float"):
        arrays_of((A, 1.5))


@pytest.mark.parametrize("nothing", [None, (), {"x": None}, []])
def test_nothing_is_refused(nothing):
    assert tensors_in(nothing) == []
    with pytest.raises(ConfigError, match="returned nothing"):
        arrays_of(nothing)


def test_a_dataclass_that_torch_does_not_know_is_looked_into():
    assert tensors_in({"out": [Unregistered(A, None), B]}) == [A, B]
    assert len(arrays_of(Unregistered(A, (B, C)))) == 3


def test_complex_numbers_are_refused_with_what_to_do():
    with pytest.raises(ConfigError, match=r"real tensors.*view_as_real"):
        arrays_of((A, torch.complex(A, B)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.bool])
def test_numbers_of_every_type_keep_their_values_and_gradients_do_not_matter(dtype):
    given = torch.tensor([0, 1, -3], dtype=torch.float32).to(dtype)
    if dtype.is_floating_point:
        given.requires_grad_()
    (array,) = arrays_of(given)
    assert array.tolist() == given.tolist()
    assert array.dtype == (np.float32 if dtype is torch.bfloat16 else torch.empty(0, dtype=dtype).numpy().dtype)


Other = namedtuple("Other", "second first")


@pytest.mark.parametrize(
    ("outputs", "plain"),
    [
        (A, A),
        (None, None),
        ([A, (B, None)], [A, (B, None)]),
        (Pair(A, [Other(B, C)]), (A, [(B, C)])),
        (Output(A, B), {"logits": A, "maps": B}),
        (Output(A), {"logits": A}),
        (ModelOutput(logits=A, maps=Pair(B, C)), {"logits": A, "maps": (B, C)}),
        (OrderedDict(b=A, a=B), {"b": A, "a": B}),
        (immutable_list([A, immutable_dict({0: B})]), [A, {0: B}]),
        (deque([A, Output(B)]), (A, {"logits": B})),
    ],
)
def test_outputs_of_any_class_become_plain_containers_with_the_same_tensors_in_their_order(outputs, plain):
    found = plain_outputs(outputs)
    assert described(found) == described(plain)
    assert [id(tensor) for tensor in tensors_in(found)] == [id(tensor) for tensor in tensors_in(outputs)]


def described(value):
    """The exact types, and tensors by their numbers."""
    if isinstance(value, dict):
        return type(value), [(key, described(each)) for key, each in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [described(each) for each in value]
    return float(value[0, 0]) if value is not None else None
