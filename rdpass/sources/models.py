"""Load what a user names on the command line: models, data, input shapes."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rdpass.capture.programs import load_program
from rdpass.capture.script_files import is_script, load_script
from rdpass.capture.torchvision_import import beside_torchvision, prepare_torchvision
from rdpass.core.errors import ConfigError, DivergedError
from rdpass.core.input_size import InputSize, in_order, parse_sizes
from rdpass.core.named_code import failures_told, find_named
from rdpass.core.numeric_types import FLOAT32
from rdpass.core.other_formats import check_format
from rdpass.onnx.model_files import model_files
from rdpass.onnx.torch_module import load_onnx
from rdpass.sources.checkpoints import no_network, split_key
from rdpass.sources.weights import load_weights
from rdpass.training.batches import unpacking_for
from rdpass.training.loading import failures_named

LIBRARIES = ("torchvision:", "timm:")
_FILES = (".onnx", ".pt2", ".pt", ".pth", ".ckpt", ".torchscript", ".ts", ".ptl")


def load_model(
    spec: str, weights: str | Path | None = None, input_shape: str | None = None, *, trusted: bool = False
) -> tuple[nn.Module, tuple[Tensor, ...] | None]:
    """The model that ``spec`` names, with ``weights`` (``FILE`` or ``FILE:key``), and the example that came with it.

    An ONNX file is read for the sizes in ``input_shape``.

    ``pkg.mod:callable`` calls it without arguments (or takes a module that stands there); ``torchvision:NAME`` and
    ``timm:NAME`` build the architecture with random weights, for nothing is downloaded, and take keywords, as
    ``timm:resnet18(num_classes=10)``; ``FILE.pt2`` is a ``torch.export`` program, ``FILE.onnx`` is read, and so is a
    file of ``torch.jit.save``, whatever its name: all bring their weights along. A file of torch's that may do more
    than compute tensors is read if it is ``trusted`` alone.

    Raises:
        ConfigError: nothing of the kind can be loaded, or the weights are not this model's; the message names what
            failed.
    """
    if weights is not None and _is_file(spec):
        raise ConfigError(f"{spec} brings its weights along; leave out --weights {weights}")
    model, example = _named_model(spec, parse_sizes(input_shape) if input_shape else (), trusted)
    if weights is not None:
        load_weights(model, weights)
    return model, example


def files_of(spec: str) -> tuple[Path, ...]:
    """The files that ``load_model`` reads for ``spec``: none where it names code."""
    if _ending(spec) == ".onnx":
        return model_files(Path(spec))
    return (Path(spec),) if _is_file(spec) else ()


def files_of_weights(weights: str | Path | None) -> tuple[Path, ...]:
    """The file that ``load_model`` reads for ``weights``, if any."""
    return () if weights is None else (split_key(weights)[0],)


def is_untrained(spec: str, weights: str | Path | None) -> bool:
    """Tell whether ``load_model`` gives random weights: a library's architecture, and no file."""
    return spec.startswith(LIBRARIES) and weights is None


def _named_model(spec: str, sizes: Sequence[InputSize], trusted: bool) -> tuple[nn.Module, tuple[Tensor, ...] | None]:
    check_format(spec)
    if is_script(Path(spec)):
        script, traced = load_script(Path(spec), trusted=trusted)
        return script, _of_sizes(traced, 0) or None
    if _ending(spec) == ".pt2":
        module, example = load_program(Path(spec), trusted=trusted)
        return module, example or None
    if _ending(spec) == ".onnx":
        return load_onnx(Path(spec), sizes)
    if _is_file(spec):
        raise no_network(Path(spec))
    if spec.startswith(LIBRARIES):
        return _from_library(*spec.split(":", 1)), None
    made = call_named(spec, "the model")
    if not isinstance(made, nn.Module):
        raise ConfigError(f"{spec} gave a {type(made).__name__}, not a torch.nn.Module")
    return made, None


def _ending(spec: str) -> str:
    return Path(spec).suffix.lower()


def _is_file(spec: str) -> bool:
    """Tell whether it names a file, be there one or not, and no code."""
    return _ending(spec) in _FILES or Path(spec).exists()


def load_data(spec: str) -> tuple[Iterable[Any], Iterable[Any] | None]:
    """Training and validation batches from ``pkg.mod:fn``, which gives one loader or a pair of them.

    Raises:
        ConfigError: it can't be called, or gives something else.
    """
    made = call_named(spec, "the data")
    train, validate = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(train, Iterable) or not (validate is None or isinstance(validate, Iterable)):
        raise ConfigError(f"{spec} must give a loader of (inputs, labels), or a pair (train, validate) of them")
    return train, validate


def first_sample(model: nn.Module, loader: Iterable[Any]) -> tuple[Tensor, ...]:
    """The model's inputs in the first row of a loader's first batch, which may have any form that training takes.

    Raises:
        DivergedError: the loader is empty or fails, or its batch does not hold the model's inputs.
    """
    with failures_named("example's", 0):
        raw = next(iter(loader), None)
    if raw is None:
        raise DivergedError("the data loader is empty: it gave no batch of (inputs, labels) to take an example from")
    inputs = unpacking_for(model).batch(raw, 0).inputs
    return tuple(x[:1].clone() if x.ndim else x.clone() for x in inputs)


def choose_example(
    model: nn.Module,
    input_shape: str | None,
    data: tuple[Iterable[Any], Iterable[Any] | None] | None,
    seed: int = 0,
    stored: tuple[Tensor, ...] | None = None,
) -> tuple[Tensor, ...] | None:
    """The example by a command's options: numbers of ``--input``'s shape, else the first sample of ``--data``,
    the validation part if there is one, else what came ``stored`` with the model, which is first if it has the shape.

    Raises:
        ConfigError: the shape can't be used.
        DivergedError: the data can't be used.
    """
    if input_shape:
        sizes = parse_sizes(input_shape)
        # A file's names may be others than its module's; it was read for these sizes.
        return _of_size(stored, sizes) or _of_sizes(in_order(sizes, unpacking_for(model).names), seed)
    if data is None:
        return stored
    train, validate = data
    return first_sample(model, train if validate is None else validate)


def _of_sizes(sizes: Sequence[InputSize], seed: int) -> tuple[Tensor, ...]:
    """Seeded: standard-normal numbers, zeros and ones for integers."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(_random(size, generator) for size in sizes)


def _random(size: InputSize, generator: torch.Generator) -> Tensor:
    dtype = getattr(torch, size.dtype or FLOAT32, None)
    if not isinstance(dtype, torch.dtype):
        raise ConfigError(f"--input {size}:{size.dtype}: torch has no such type")
    if dtype.is_floating_point:
        return torch.randn(size.shape, generator=generator).to(dtype)
    return torch.randint(0, 2, size.shape, generator=generator).to(dtype)


def _of_size(stored: tuple[Tensor, ...] | None, sizes: Sequence[InputSize]) -> tuple[Tensor, ...] | None:
    """The example that came with the model, where it has these sizes; else None."""
    left = list(sizes)
    for tensor in stored or ():
        fitting = next((size for size in left if size.shape == tuple(tensor.shape)), None)
        if fitting is not None:
            left.remove(fitting)
    return stored if stored and len(stored) >= len(sizes) and not left else None


def call_named(spec: str, what: str) -> Any:
    """Load what ``pkg.mod:name`` names, called if it can be called; the current folder is on the path.

    Raises:
        ConfigError: it can't be found or imported, or the call fails.
    """
    found: Any = beside_torchvision(lambda: find_named(spec, what))
    if isinstance(found, nn.Module) or not callable(found):
        return found
    with failures_told(f"{what} {spec!r} raised"):
        return beside_torchvision(found)


def _from_library(library: str, call: str) -> nn.Module:
    prepare_torchvision()  # timm imports it too
    try:
        name, keywords = _name_and_keywords(call)
        if library == "timm":
            import timm

            model: nn.Module = timm.create_model(name, pretrained=False, **keywords)
        else:
            import torchvision

            no_backbone = _no_backbone_either(torchvision, name)
            model = torchvision.models.get_model(name, weights=None, **no_backbone, **keywords)
    except Exception as error:
        raise ConfigError(f"{library}:{call} can't be built ({type(error).__name__}: {error})") from error
    return model


def _name_and_keywords(call: str) -> tuple[str, dict[str, Any]]:
    """``resnet18(num_classes=10)`` taken apart; the values are literals, so nothing runs."""
    name, parenthesis, _ = call.partition("(")
    if not parenthesis:
        return name, {}
    parsed = ast.parse(f"model{call.removeprefix(name)}", mode="eval").body
    if not isinstance(parsed, ast.Call) or parsed.args or not all(keyword.arg for keyword in parsed.keywords):
        raise ValueError("write NAME(keyword=value)")
    return name, {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in parsed.keywords}


def _no_backbone_either(torchvision: Any, name: str) -> dict[str, None]:
    """Detectors and segmenters download weights for their trunk unless they are told not to."""
    builder = torchvision.models.get_model_builder(name)
    return {"weights_backbone": None} if "weights_backbone" in inspect.signature(builder).parameters else {}
