"""``torch.export`` programs and their files (``.pt2``), with a batch size that stays free if it can.

Such a file may hold code; it is read as data alone (``data_only``) unless its user trusts it.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import wraps
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule, Node
from torch.fx.graph import CodeGen
from torch.jit import ScriptModule
from torch.utils._pytree import tree_unflatten

from rdpass.capture.data_only import NotDataAlone, OfIntegers, checked_archive
from rdpass.capture.float_form import quantised
from rdpass.core.errors import ConfigError, first_line
from rdpass.core.files import check_regular
from rdpass.core.tensors import plain_outputs
from rdpass.passes.graph.drop_whole_slices import drop_whole_slices
from rdpass.passes.graph.restore_batch_norm import restore_batch_norm
from rdpass.passes.graph.restore_convolutions import restore_convolutions

_OF_THIS_PROCESS = ("stack_trace", "from_node")
"""What torch notes on nodes: places on this machine, and addresses in memory."""


def export_program(module: nn.Module, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """``module`` as an exported program. Traced with twice the batch, since a batch of one would become a constant."""
    doubled = tuple(torch.cat([x, x]) if x.ndim else x for x in inputs)
    with quiet_torch():
        try:
            shapes = tuple({0: Dim.AUTO} if x.ndim else None for x in inputs)
            return torch.export.export(module, doubled, dynamic_shapes=shapes)
        except Exception:  # a model that takes one batch size only
            return torch.export.export(module, inputs)


def read_script(script: ScriptModule, inputs: tuple[Any, ...]) -> GraphModule:
    """What TorchScript runs as a graph module of aten operators, likewise of any batch size."""
    from torch._export.converter import TS2EPConverter

    doubled = tuple(torch.cat([x, x]) if isinstance(x, Tensor) and x.ndim else x for x in inputs)
    with quiet_torch():
        read = unpack_program(TS2EPConverter(script, doubled).convert())
    for node in read.graph.nodes:
        node.meta.clear()  # of the converter's own tensors, which have no numbers and can't be copied
    for name, tensor in list(read.named_buffers()):
        if not tensor.is_leaf:  # what the parameters of a copied script are
            path, _, field = name.rpartition(".")
            owner = read.get_submodule(path)
            delattr(owner, field)
            owner.register_parameter(field, nn.Parameter(tensor.detach().clone()))
    return read


def unpack_program(program: ExportedProgram) -> GraphModule:
    """The program as a graph module of aten operators, without run-time guards on shapes and slices that take all.

    One that writes into a part of a tensor, or into one of which a view is read, is made functional by torch first.
    Layers that a decomposition took apart or renamed are what they were.
    """
    unpacked = drop_whole_slices(_unpacked(program))
    if any(_writes_through_a_view(node) for node in unpacked.graph.nodes):
        with quiet_torch():
            functional = program.run_decompositions({})
        unpacked = drop_whole_slices(_unpacked(functional))
    for restore in (restore_batch_norm, restore_convolutions):
        unpacked = restore(unpacked)
    return _with_outputs_in_the_graph(unpacked)


def _unpacked(program: ExportedProgram) -> GraphModule:
    with quiet_torch():
        exported = program.module(check_guards=False)
    return GraphModule(exported, exported.graph)


def _with_outputs_in_the_graph(graph_module: GraphModule) -> GraphModule:
    """In place: the graph gives what the model gave, where it gave a flat tuple that its code then put into form.

    Whoever copies nodes into another graph copies no code. Outputs of a class of their own come in plain containers, a
    Hugging Face model's as a dict. Inputs that are nested stay in the hands of the code.
    """
    graph = graph_module.graph
    info = getattr(graph._codegen, "pytree_info", None)
    if info is None or info.in_spec.num_leaves != sum(node.op == "placeholder" for node in graph.nodes):
        return graph_module
    positional, named = info.in_spec.children()
    if named.num_leaves or not all(child.is_leaf() for child in positional.children()):
        return graph_module
    output = graph.output_node()
    flat: Any = output.args[0]
    formed = plain_outputs(tree_unflatten(list(flat), info.out_spec))
    if not _is_plain(formed):
        return graph_module
    output.args = (formed,)
    graph.set_codegen(CodeGen())
    graph_module.recompile()
    return graph_module


def _is_plain(value: Any) -> bool:
    """Tell whether a graph can hold it: nodes and constants, in lists, tuples and dicts."""
    if type(value) is dict:
        return all(isinstance(key, str | int) and _is_plain(each) for key, each in value.items())
    if type(value) in (list, tuple):
        return all(_is_plain(each) for each in value)
    return value is None or isinstance(value, Node | int | float | str)


def _writes_through_a_view(node: Node) -> bool:
    """Tell whether a tensor that the node overwrites has another name, under which it may be read later."""
    written = node.args[0] if node.args else None
    if not isinstance(node.target, OpOverload) or not node.target._schema.is_mutable or not isinstance(written, Node):
        return False
    return any(isinstance(other.target, OpOverload) and other.target.is_view for other in (written, *written.users))


def save_program(module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
    """Write ``module`` and its weights to ``path`` (``.pt2``): equal ones as equal bytes, without names of places.

    Its outputs are in tuples, lists and dicts there, so that no class is needed to read it (``plain_outputs``).

    Raises:
        ConfigError: torch can't write it, or not without code.
    """
    try:
        program = export_program(WithPlainOutputs(module), inputs)
    except Exception as error:
        raise ConfigError(
            f"{type(module).__name__} can't be saved as a program: {first_line(error)}; what torch.export can't follow"
            " in a module that tracing left whole has to be written with PyTorch's own operators"
        ) from error
    program.example_inputs = (inputs, {})
    for node in program.graph.nodes:
        for name in _OF_THIS_PROCESS:
            node.meta.pop(name, None)
    with quiet_torch():
        torch.export.save(program, path)


class WithPlainOutputs(nn.Module):
    """Holds the very parameters, buffers and layers of a module, under their names, and gives its outputs plainly.

    A graph module would be exported with the containers that its graph holds, whatever its hooks made of them.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        held = ("_parameters", "_buffers", "_non_persistent_buffers_set", "_modules", "training")
        vars(self).update({name: vars(module)[name] for name in held})

        @wraps(module.forward)  # its inputs have names, by which torch tells their sizes
        def forward(*inputs: Tensor) -> Any:
            return plain_outputs(module(*inputs))

        self.forward = forward


def load_program(path: Path, *, trusted: bool = False) -> tuple[GraphModule, tuple[Tensor, ...]]:
    """The model in a ``.pt2`` file and the example it was exported with.

    Args:
        path: the file.
        trusted: read it as torch does, which runs code where the file holds any: for files of one's own alone.

    Raises:
        ConfigError: there is no such file, it is not an exported program, or it holds more than data and is not
            ``trusted`` (see ``data_only``).
    """
    try:
        check_regular(path)
        content = path.read_bytes()
        archive = BytesIO(content) if trusted else checked_archive(content)
        with quiet_torch():
            program = torch.export.load(archive)
    except OfIntegers as error:
        raise quantised(str(path), str(error)) from error
    except NotDataAlone as error:
        raise ConfigError(
            f"{path} could run code: {error}. Nothing of it was read. If you trust who made it, --trust-pickle reads it"
        ) from error
    except Exception as error:
        raise ConfigError(f"{path} is not a readable torch.export program: {first_line(error)}") from error
    arguments = program.example_inputs[0] if program.example_inputs else ()
    return unpack_program(program), tuple(arguments)


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Silence torch while a block exports: it logs about itself; what a user has to know comes as an exception."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
