"""``librdpass_network.so`` of a bundle, by its C functions (``rdpass_network.h`` in the bundle explains them)."""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from rdpass_runtime.bundle import BundleFiles, check_architecture
from rdpass_runtime.errors import InputError, IntegrityError, NetworkError, RuntimeFailure

LIBRARY = "librdpass_network.so"
_TVM = ("lib/libtvm_ffi.so", "lib/libtvm_runtime.so")  # the second needs the first
_digests_of_loaded: dict[str, str] = {}
"""By name, of the libraries of TVM that this package loaded; they stay for as long as the process."""
_KINDS: dict[int, type[RuntimeFailure]] = {2: InputError, 8: IntegrityError}

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Tensor:
    """An input or output.

    Args:
        name: as in the ONNX file, or as given when the bundle was compiled.
        shape: extents.
        dtype: numpy's name of the type.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        """Bytes of the dense tensor."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize

    def __str__(self) -> str:
        return f"{self.name!r} ({self.dtype} {self.shape})"


class _Described(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p), ("dtype", ctypes.c_char_p), ("rank", ctypes.c_int32),
        ("shape", ctypes.POINTER(ctypes.c_int64)), ("bytes", ctypes.c_size_t),
    )  # fmt: skip


class Library:
    """The opened network of a bundle.

    Args:
        folder: the bundle.
        threads: how many compute; 0 for what the runtime chooses.

    Raises:
        IntegrityError: the bundle is not as it was built, or is for another CPU; nothing of it was loaded.
        InputError: the threads can't be had.
        NetworkError: it can't be loaded.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        self._handle = ctypes.c_void_p()
        files = BundleFiles(folder)
        try:
            check_architecture(folder, files.manifest)
            self._calls = _loaded(files)
        finally:
            files.close()
        self._check(self._calls.rdpass_network_open(os.fsencode(folder), threads, ctypes.byref(self._handle)))
        self.inputs = self._tensors("input")
        self.outputs = self._tensors("output")
        self.takes_image = bool(self._calls.rdpass_network_takes_image(self._handle))
        count = self._calls.rdpass_network_labels(self._handle)
        self.labels = tuple(self._calls.rdpass_network_label(self._handle, i).decode() for i in range(count))

    def close(self) -> None:
        """Free the network; nothing else can be called then."""
        if self._handle:
            self._calls.rdpass_network_close(self._handle)
            self._handle = ctypes.c_void_p()

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """One inference on whole C-ordered arrays of the types and shapes of ``inputs`` and ``outputs``.

        Raises:
            NetworkError: it failed.
        """
        given, written = ((ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
                          for arrays in (inputs, outputs))  # fmt: skip
        self._check(self._calls.rdpass_network_run(self._handle, given, written))

    def prepare(self, pixels: Array, into: Array) -> None:
        """Write what an image, C-ordered bytes (H, W, 1 or 3), becomes ``into`` the first input.

        Raises:
            InputError: it is no image that can be.
        """
        height, width, channels = pixels.shape
        places = ctypes.c_void_p(pixels.ctypes.data), width, height, channels, ctypes.c_void_p(into.ctypes.data)
        self._check(self._calls.rdpass_network_prepare(self._handle, *places))

    def _tensors(self, kind: str) -> tuple[Tensor, ...]:
        count = getattr(self._calls, f"rdpass_network_{kind}s")(self._handle)
        at = getattr(self._calls, f"rdpass_network_{kind}")
        return tuple(map(_tensor, (at(self._handle, index).contents for index in range(count))))

    def _check(self, code: int) -> None:
        if code:
            text = self._calls.rdpass_network_error().decode(errors="replace")
            raise _KINDS.get(code, NetworkError)(text)


def _tensor(described: _Described) -> Tensor:
    shape = tuple(described.shape[axis] for axis in range(described.rank))
    return Tensor(described.name.decode(), shape, described.dtype.decode())


def _loaded(files: BundleFiles) -> ctypes.CDLL:
    """The library of a checked bundle, TVM's two libraries before it where it has these."""
    if LIBRARY not in files.digests:
        how = "compile with --runtime none --shared" if files.manifest["runtime"] == "none" else "compile"
        raise NetworkError(f"{files.folder} has no {LIBRARY}, which Python loads; {how} it again with this version")
    try:
        for name in _TVM:
            if name in files.digests and not _is_loaded(name, files):
                ctypes.CDLL(files.path(name), ctypes.RTLD_GLOBAL)
                _digests_of_loaded[os.path.basename(name)] = files.digests[name]
        calls = ctypes.CDLL(files.path(LIBRARY))
    except OSError as error:
        raise NetworkError(f"{files.folder}: {error}") from error
    tensor, text, handle = ctypes.POINTER(_Described), ctypes.c_char_p, ctypes.c_void_p
    for name in ("close", "inputs", "outputs", "labels", "takes_image"):
        getattr(calls, f"rdpass_network_{name}").argtypes = (handle,)
    for name, gives in (("input", tensor), ("output", tensor), ("label", text)):
        getattr(calls, f"rdpass_network_{name}").argtypes = (handle, ctypes.c_int)
        getattr(calls, f"rdpass_network_{name}").restype = gives
    calls.rdpass_network_error.restype = text
    return calls


def _is_loaded(name: str, files: BundleFiles) -> bool:
    """Tell whether this process has that library of TVM: a second one would register all of its functions again.

    Raises:
        NetworkError: it has another one.
    """
    own = os.path.basename(name)
    try:  # its functions are to be found by networks, whoever loaded it
        ctypes.CDLL(own, os.RTLD_NOLOAD | ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    if files.digests[name] != (_digests_of_loaded.get(own) or _digest_of_mapped(own)):
        raise NetworkError(
            f"{files.folder}: this process has another {own} loaded, and TVM can be loaded once; use another process"
        )
    return True


def _digest_of_mapped(name: str) -> str | None:
    """SHA-256 of the file with that name that is mapped into this process; None where there is none by now."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = Path("/" + line.partition("/")[2])
        if path.name == name and path.is_file():
            return hashlib.sha256(path.read_bytes()).hexdigest()
    return None
