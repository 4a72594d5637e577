"""TorchScript files (``torch.jit.save``), read without running anything of them that touches more than tensors.

Such a file is a program for torch's own interpreter. Its pickles name no Python code, but its operators can write files
(``aten::save``), its classes can run code as they are loaded (``__setstate__``) or be C++ (``torch.classes``). So

1. the archive is written anew from its code, its pickles and its tensors, each part there once and whole (CRC-32);
2. it is not given to torch where its code or pickles hold one of ``_WHEN_LOADED``;
3. of what torch then compiled, every operator of every method is looked at before any runs: ATen's, but for ``_WORLD``,
   and those of ``_PRIMITIVES``.
"""

from __future__ import annotations

import io
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch.jit import ScriptModule

from rdpass.capture.float_form import quantised, script_operators
from rdpass.core.errors import ConfigError, first_line
from rdpass.core.files import check_regular
from rdpass.core.input_size import InputSize
from rdpass.core.tensors import type_names

_PARTS = re.compile(r"version|byteorder|(data|constants|traced_inputs)(\.pkl|/\d+)|code/[\w./]+\.py")
_LEFT_OUT = re.compile(r"\.data/serialization_id|code/[\w./]+\.debug_pkl|bytecode\.pkl|mobile_\w+\.pkl|extra/.*")
"""Places in its maker's code, another form of the same for phones, and what people put beside."""
_WHEN_LOADED = (b"__setstate__", b"torch.classes")
_OF_INTEGERS = b"torch.classes.quantized"
_WORLD = frozenset({"from_file", "save", "load", "_print", "warn", "owner", "owner_name", "to_here", "is_owner",
                    "confirmed_by_owner"})  # fmt: skip
"""ATen's operators on files, terminals and other machines."""
_PRIMITIVES = frozenset({
    "Constant", "GetAttr", "SetAttr", "CallMethod", "CallFunction", "CreateObject", "ListConstruct", "ListUnpack",
    "TupleConstruct", "TupleUnpack", "TupleIndex", "TupleSlice", "DictConstruct", "If", "Loop", "NumToTensor",
    "ImplicitTensorToNum", "Uninitialized", "RaiseException", "unchecked_cast", "unchecked_unwrap_optional",
    "isinstance", "dtype", "device", "layout", "data", "itemsize", "nbytes", "requires_grad", "is_cuda", "is_cpu",
    "is_quantized", "is_mkldnn", "is_sparse", "is_meta", "min", "max", "abs", "rangelist", "tolist", "EnumName",
    "EnumValue", "StringIndex", "ConstantChunk", "ModuleContainerIndex", "type", "grad", "annotate",
})  # fmt: skip

_STORAGES = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip
"""Types by the names that pickles have for them."""


class _RunsMore(ValueError):
    """Something in the file does more than compute tensors."""


def is_script(path: Path) -> bool:
    """Tell whether a file is an archive of TorchScript: one that has code, which no other file of torch's has."""
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            return any(name.partition("/")[2] == "constants.pkl" for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def load_script(path: Path, *, trusted: bool = False) -> tuple[ScriptModule, tuple[InputSize, ...]]:
    """The module in a TorchScript file, and the sizes that it was traced with; none if it was scripted.

    Args:
        path: the file.
        trusted: take it whatever its operators do: for files of one's own alone.

    Raises:
        ConfigError: it can't be read, or does more than compute tensors and is not ``trusted``.
    """
    try:
        check_regular(path)
        parts = _read(path.read_bytes())
        if not trusted:
            _check_text(parts, path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that torch.jit is deprecated
            loaded: ScriptModule = torch.jit.load(_archive(parts), map_location="cpu")  # type: ignore[no-untyped-call]
        if not trusted:
            _check_operators(loaded)
        return loaded, _traced_sizes(parts)
    except ConfigError:
        raise
    except _RunsMore as error:
        raise ConfigError(
            f"{path} could do more than compute tensors: {error}. Nothing of it was run. Give the network that it was"
            " made from; or, if you trust who made the file, --trust-pickle"
        ) from error
    except Exception as error:  # whatever torch meets first
        raise ConfigError(
            f"{path} is a TorchScript file that torch can't load ({first_line(error)}); write it again without"
            " torch.jit.optimize_for_inference, or give the network that it was made from"
        ) from error


def _check_text(parts: dict[str, bytes], path: Path) -> None:
    for name, part in parts.items():
        if name.endswith((".py", ".pkl")):
            if _OF_INTEGERS in part:
                raise quantised(str(path), f"its part {name!r} has {_OF_INTEGERS.decode()}")
            found = next((text for text in _WHEN_LOADED if text in part), None)
            if found is not None:
                raise _RunsMore(f"its part {name!r} has {found.decode()}")


def _archive(parts: dict[str, bytes]) -> io.BytesIO:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as written:
        for name, part in parts.items():
            written.writestr(f"archive/{name}", part)
    archive.seek(0)
    return archive


def _traced_sizes(parts: dict[str, bytes]) -> tuple[InputSize, ...]:
    """What the forward was traced with. Of these tensors a file keeps the sizes alone."""
    try:
        given = _Sizes(io.BytesIO(parts["traced_inputs.pkl"])).load()["forward"]
    except Exception:  # scripted, or written by another torch: there is --input
        return ()
    return tuple(given) if all(isinstance(each, InputSize) for each in given) else ()


class _Sizes(pickle.Unpickler):
    """Sizes in the place of tensors. Names in the pickle stand for functions of this class, for nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        known = {"_rebuild_tensor_v2": self._tensor, "restore_type_tag": self._untagged, "OrderedDict": dict}
        return known.get(name, name)

    def persistent_load(self, pid: Any) -> Any:
        return pid[1]

    @staticmethod
    def _tensor(storage: str, offset: int, shape: tuple[int, ...], *rest: object) -> InputSize:
        return InputSize(tuple(shape), dtype=type_names([_STORAGES[storage]]))

    @staticmethod
    def _untagged(value: Any, tag: str) -> Any:
        return value


def _read(content: bytes) -> dict[str, bytes]:
    """The parts by name, without the folder that all of them lie in."""
    parts: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            name = entry.filename.partition("/")[2]
            if _LEFT_OUT.fullmatch(name):
                continue
            if not _PARTS.fullmatch(name) or name in parts:
                raise _RunsMore(f"its part {name[:80]!r} is none of TorchScript's, or is there twice")
            parts[name] = archive.read(entry)
    return parts


def _check_operators(script: ScriptModule) -> None:
    for path, module in script.named_modules():
        for method, operator in script_operators(module):
            space, _, name = operator.partition("::")
            if not (space == "aten" and name not in _WORLD) and not (space == "prim" and name in _PRIMITIVES):
                raise _RunsMore(f"{path}.{method} calls {operator}" if path else f"{method} calls {operator}")
