"""A node of an ONNX model, as the readers of operators are given it, and what they build of it."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor, nn
from torch.fx import Graph, Node

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32
from rdpass.onnx.normalise import graph as onnx_graph


class Unreadable(Exception):
    """A node has no form in torch; the message says what about it."""


ONNX_NODE = "onnx_node"
"""Where a torch node that calls a module tells the name of the ONNX node that it was read from."""
Reader = Callable[["Call"], Any]
"""Builds a node, and gives its result, or a tuple of its results."""


class Network:
    """A torch.fx graph in the making: ``root`` holds modules and constants, ``values`` the nodes by ONNX value."""

    def __init__(self) -> None:
        self.root = nn.Module()
        self.graph = Graph()
        self.values: dict[ir.Value, Node] = {}
        self._constants: dict[ir.Value, str] = {}

    def value(self, value: ir.Value) -> Node:
        """The node that a value is; a constant is read where it is used."""
        if value in self.values:
            return self.values[value]
        if value not in self._constants:
            array = onnx_graph.array_of(value)
            assert array is not None, value.name
            self._constants[value] = self.hold(value.name or "constant", tensor_of(array))
        return self.graph.get_attr(self._constants[value])

    def hold(self, name: str, held: Tensor | nn.Module) -> str:
        """Keep a module or a constant under a free name, and return that."""
        stem = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_") or "value"
        stem = f"_{stem}" if stem[0].isdigit() or keyword.iskeyword(stem) or stem == "self" else stem
        free, count = stem, 0
        while hasattr(self.root, free) or hasattr(torch.nn.Module, free):
            count += 1
            free = f"{stem}_{count}"
        if isinstance(held, nn.Module):
            self.root.add_module(free, held)
        else:
            self.root.register_buffer(free, held)
        return free


class Call:
    """One node: its inputs by number, as numbers where they are constants, and what is put into the torch graph."""

    def __init__(self, node: ir.Node, network: Network) -> None:
        self.node = node
        self.network = network

    def has(self, index: int) -> bool:
        """Tell whether the input is given."""
        return onnx_graph.input_of(self.node, index) is not None

    def value(self, index: int) -> Node:
        """An input as a node of the torch graph."""
        value = onnx_graph.input_of(self.node, index)
        if value is None:
            raise Unreadable(f"its input {index} is left out")
        return self.network.value(value)

    def values(self) -> list[Any]:
        """All inputs, single numbers as such."""
        return [self.number(index) for index in range(len(self.node.inputs))]

    def number(self, index: int) -> Any:
        """An input, as a Python number where it is a constant that can be one beside the other inputs."""
        array = self.array(index)
        if array is None or array.size != 1 or array.dtype not in (FLOAT32, np.int64, np.bool_):
            return self.value(index)
        others = [
            value for at, value in enumerate(self.node.inputs)
            if at != index and value is not None and onnx_graph.array_of(value) is None
        ]  # fmt: skip
        kinds = {onnx_graph.shape_of(value) for value in others}
        same = any(value.dtype is not None and value.dtype.numpy() == array.dtype for value in others)
        deep = any(shape is not None and len(shape) >= max(array.ndim, 1) for shape in kinds)
        return array.reshape(()).item() if same and deep else self.value(index)

    def array(self, index: int) -> Array | None:
        """The numbers of an input that is a constant."""
        return onnx_graph.array_of(onnx_graph.input_of(self.node, index))

    def constant(self, index: int, what: str) -> Array:
        """
        Raises:
            Unreadable: the input is no constant.
        """
        array = self.array(index)
        if array is None:
            raise Unreadable(f"its {what} is no constant")
        return array

    def tensor(self, index: int, what: str) -> Tensor:
        """A constant as a tensor of its own."""
        return tensor_of(self.constant(index, what))

    def shape(self, index: int = 0) -> tuple[int, ...]:
        """The extents of an input.

        Raises:
            Unreadable: they are not known.
        """
        shape = onnx_graph.shape_of(onnx_graph.input_of(self.node, index))
        if shape is None:
            raise Unreadable(f"the size of its input {index} is not known")
        return shape

    def result_shape(self, index: int = 0) -> tuple[int, ...]:
        """The extents of a result, likewise."""
        shape = onnx_graph.shape_of(self.node.outputs[index])
        if shape is None:
            raise Unreadable("the size of its result is not known")
        return shape

    def attribute(self, name: str, default: Any = None) -> Any:
        return onnx_graph.attribute(self.node, name, default)

    def integers(self, name: str, index: int) -> tuple[int, ...] | None:
        """What early opsets have as an attribute and later ones as a constant input, such as ``axes``."""
        given = self.attribute(name)
        if given is None and self.has(index):
            given = self.constant(index, name).reshape(-1)
        if given is None:
            return None
        return tuple(int(number) for number in (given if np.ndim(given) else (given,)))

    def reads(self, count: int) -> None:
        """
        Raises:
            Unreadable: one of the results from ``count`` on is used.
        """
        for value in self.node.outputs[count:]:
            if value.uses() or value.is_graph_output():
                raise Unreadable(f"its result {list(self.node.outputs).index(value)} is used")

    def call(self, function: Callable[..., Any], *inputs: Any, **keywords: Any) -> Node:
        """A call of a function of torch's."""
        return self.network.graph.call_function(function, inputs, keywords)

    def module(self, module: nn.Module, *inputs: Any) -> Node:
        """A call of a module, held under the node's name."""
        name = self.node.name or self.node.outputs[0].name or self.node.op_type
        made = self.network.graph.call_module(self.network.hold(name, module.eval()), inputs or (self.value(0),))
        made.meta[ONNX_NODE] = self.node.name
        return made

    def buffer(self, name: str, tensor: Tensor) -> Node:
        """A constant of the reader's own."""
        return self.network.graph.get_attr(self.network.hold(f"{self.node.outputs[0].name}_{name}", tensor))


def tensor_of(array: Array) -> Tensor:
    """A copy of an array, of its own shape, as a tensor."""
    return torch.from_numpy(np.array(array, order="C")).reshape(array.shape)
