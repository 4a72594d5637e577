"""``load``: a bundle of this machine's CPU as a function of numpy arrays.

Nothing of the bundle is loaded before every byte of it has been checked. numpy, ``tvm_ffi`` and TVM's runtime library
are all it takes: neither torch nor TVM's compiler.
"""

from __future__ import annotations

import ctypes
import importlib.util
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError, IntegrityError
from rdpass.core.tensor_spec import TensorSpec
from rdpass.core.tvm_messages import without_tvm_lines
from rdpass.deploy.bundle.manifest import Manifest, opened
from rdpass.targets.lookup import cpu_features

# TVM's kernels may assume that tensors start at a multiple of this.
_ALIGNMENT = 64
_CPU = 1
_POOLED_ALLOCATOR = 2
# A function that the runtime library registers once it is loaded.
_MARK = "ffi.Module.load_from_bytes.relax.VMExecutable"


class Runner:
    """A loaded network: call it with its inputs in order. ``load`` makes one.

    Args:
        manifest: of the bundle; kept as ``manifest``.
        library: path of the built network.

    Example:
        >>> import numpy, rdpass
        >>> runner = rdpass.load("student.rdp")
        >>> runner(numpy.zeros((1, 3, 8, 8), numpy.float32)).shape
        (1, 4)
    """

    def __init__(self, manifest: Manifest, library: Path) -> None:
        import tvm_ffi

        self.manifest = manifest
        with without_tvm_lines():
            self._machine = tvm_ffi.load_module(str(library))["vm_load_executable"]()
        self._machine["vm_initialization"](_CPU, 0, _POOLED_ALLOCATOR)
        self._main = self._machine["main"]

    def __call__(self, *inputs: Array, allow_nonfinite: bool = False) -> Array | tuple[Array, ...]:
        """The output, or a tuple of them where the model has several, as new arrays.

        Inputs with NaN or infinities are refused unless ``allow_nonfinite`` is given: the outputs may not show them.

        Raises:
            ConfigError: the number, shape or type of the inputs is not the manifest's, or one is not finite; the
                message names the input.
        """
        check_inputs(inputs, self.manifest.inputs, allow_nonfinite=allow_nonfinite)
        outputs = _unpack(self._main(*map(_to_tensor, inputs)))
        return outputs[0] if len(self.manifest.outputs) == 1 else outputs


def load(folder: str | Path, *, key: str | Path | None = None) -> Runner:
    """Load the bundle ``folder``, built for this machine's architecture.

    Every byte of it is checked before anything of it runs, and what runs is a private copy of what was checked.

    Args:
        folder: the bundle.
        key: a public key (PEM), by whose private one the bundle has to be signed; None asks for no signature.

    Returns:
        A function of numpy arrays: the output, or a tuple of them, for the inputs in order.

    Raises:
        ConfigError: it was built without a runtime.
        IntegrityError: not a bundle, a file was changed, added or removed, or it is for another CPU.

    Example:
        >>> import numpy, rdpass
        >>> got = rdpass.load("student.rdp")(example.numpy())
        >>> bool(numpy.abs(got - student(example).detach().numpy()).max() < 1e-4)
        True
    """
    folder = Path(folder)
    with opened(folder, key=None if key is None else Path(key)) as (copy, manifest):
        return _loaded(folder, copy, manifest)


def _loaded(folder: Path, copy: Path, manifest: Manifest) -> Runner:
    if manifest.runtime == "none":
        raise ConfigError(f"{folder} holds a C library, which this does not load; use `rdpass run`, or link it in C")
    check_cpu(folder, manifest)
    _load_runtime(copy, manifest)
    return Runner(manifest, copy / manifest.library)


def check_cpu(folder: Path, manifest: Manifest) -> None:
    """Refuse a bundle for another architecture, or one that uses what this CPU lacks: it would die midway.

    Raises:
        IntegrityError: it is for the wrong CPU; the message names what is missing.
    """
    built_for = str(manifest.target["triple"]).partition("-")[0]
    if built_for != platform.machine():
        raise IntegrityError(f"{folder} is for another CPU: {built_for}, and this is {platform.machine()}")
    available = cpu_features()
    missing = sorted(set(manifest.target["features"]) - available)
    if available and missing:
        raise IntegrityError(f"{folder} is for another CPU: this one has no {', '.join(missing)}")


def check_inputs(inputs: Sequence[Array], specs: Sequence[TensorSpec], *, allow_nonfinite: bool = False) -> None:
    """Refuse inputs that are not exactly what the model takes, or, unless that is allowed, not finite.

    Kernels drop NaN at comparisons (ReLU, clips, pooling) where the operators of ONNX hand it on.

    Raises:
        ConfigError: their number, or one's shape, type or a value, is wrong; the message names the input.
    """
    if len(inputs) != len(specs):
        raise ConfigError(f"{len(inputs)} inputs given; the model takes {', '.join(map(_describe, specs))}")
    for value, spec in zip(inputs, specs, strict=True):
        _check(value, spec)
        if not allow_nonfinite and value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ConfigError(
                f"input {_describe(spec)} holds NaN or infinity, and the outputs may not show it;"
                " --allow-nonfinite (allow_nonfinite=True) runs"
            )


def _load_runtime(folder: Path, manifest: Manifest) -> None:
    """Load TVM's runtime, once a process: a second copy would register every function again and fail.

    The installed package's own is preferred, for then ``import tvm`` later finds it loaded already.
    """
    import tvm_ffi

    if tvm_ffi.get_global_func(_MARK, allow_missing=True) is not None:
        return
    path = _installed_runtime(manifest) or (folder / "lib" / "libtvm_runtime.so").absolute()
    ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)


def _installed_runtime(manifest: Manifest) -> Path | None:
    spec = importlib.util.find_spec("tvm")
    try:
        same = version("apache-tvm") == manifest.versions["apache-tvm"]
    except PackageNotFoundError:
        same = False
    if spec is None or spec.origin is None or not same:
        return None
    path = Path(spec.origin).parent / "lib" / "libtvm_runtime.so"
    return path if path.is_file() else None


def _describe(spec: TensorSpec) -> str:
    return f"{spec.name!r} ({spec.dtype} {spec.shape})"


def _check(value: Array, spec: TensorSpec) -> None:
    if not isinstance(value, np.ndarray):
        raise ConfigError(f"input {_describe(spec)} is to be a numpy array, not {type(value).__name__}")
    if value.shape != spec.shape or value.dtype != spec.dtype:
        raise ConfigError(f"input {_describe(spec)} was given {value.dtype} {value.shape}")


def _to_tensor(value: Array) -> Any:
    import tvm_ffi

    room = np.empty(value.nbytes + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    aligned = room[start : start + value.nbytes].view(value.dtype).reshape(value.shape)
    aligned[...] = value
    return tvm_ffi.from_dlpack(aligned)


def _unpack(result: Any) -> tuple[Array, ...]:
    import tvm_ffi

    tensors = [result] if isinstance(result, tvm_ffi.Tensor) else list(result)
    return tuple(np.from_dlpack(tensor).copy() for tensor in tensors)
