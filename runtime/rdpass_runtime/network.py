"""``Network``: a bundle as a function of numpy arrays."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from rdpass_runtime.errors import InputError, NetworkError
from rdpass_runtime.library import Array, Library, Tensor


@dataclass(frozen=True)
class Class:
    """A class that an image may be of.

    Args:
        index: among the classes.
        label: its name; the index as text where the bundle has no names.
        score: its number in the output, a probability where the bundle was compiled with softmax; None with argmax.
    """

    index: int
    label: str
    score: float | None


class Network:
    """The network of a bundle: call it with its inputs in order.

    Every byte of the bundle is checked before anything of it is loaded, and what was hashed is what is loaded. Calls of
    several threads wait for one another.

    Args:
        folder: a bundle of `rdpass compile`, built for this machine's CPU; one without a runtime needs `--shared`.
        threads: how many compute. By default as TVM chooses, which is one for each core, or one without TVM. TVM has
            one number for the whole process.

    Raises:
        IntegrityError: the bundle is not as it was built, or is for another CPU.
        InputError: the number of threads is none, or TVM has another already.
        NetworkError: it can't be loaded; the message says why.

    Example:
        >>> network = Network("student.rdp")
        >>> network(np.zeros((1, 3, 8, 8), np.float32)).shape
        (1, 4)
    """

    def __init__(self, folder: str | PathLike[str], *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise InputError(f"threads are 1 or more, not {threads}")
        self._library = Library(Path(folder), threads or 0)
        self._free = weakref.finalize(self, self._library.close)
        self._free.atexit = False  # by then TVM may be gone
        self._lock = threading.Lock()

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What it takes."""
        return self._library.inputs

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What it gives."""
        return self._library.outputs

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of classes, in the order of the first output; empty where the bundle has none."""
        return self._library.labels

    def __call__(self, *inputs: Array, allow_nonfinite: bool = False) -> Array | tuple[Array, ...]:
        """The output, or a tuple of them where there are several, as new arrays.

        Args:
            inputs: arrays of exactly the shapes and types of ``inputs``; nothing is converted.
            allow_nonfinite: take NaN and infinities, which the outputs may not show.

        Raises:
            InputError: the number, shape or type of the inputs is another, or one is not finite; the message names it.
            NetworkError: the network failed, or was closed.
        """
        outputs = self._run(inputs, allow_nonfinite)
        return outputs[0] if len(outputs) == 1 else outputs

    def prepare(self, image: Array) -> Array:
        """The input that an image becomes: its centre, scaled to the network's size as `./run` scales.

        Args:
            image: bytes (H, W, 3), red first, or grey (H, W) or (H, W, 1), of any size.

        Raises:
            InputError: it is no such array, or the network takes no image.
        """
        if not self._library.takes_image:
            raise InputError("the network takes no single image in bytes; compile it with --preprocess uint8,nhwc,…")
        pixels = np.ascontiguousarray(_as_pixels(image))
        made = np.empty(self.inputs[0].shape, self.inputs[0].dtype)
        with self._lock:
            self._check_open()
            self._library.prepare(pixels, made)
        return made

    def classify(self, image: Array, top: int = 5) -> list[Class]:
        """The ``top`` likeliest classes of an image, best first; the one whose index the network gives, with argmax.

        Args:
            image: as ``prepare`` takes it.
            top: how many at most.

        Raises:
            InputError: as ``prepare``; or the first output holds no scores of classes.
            NetworkError: the network failed, or was closed.
        """
        spec = self.outputs[0]
        is_index = (spec.dtype, spec.shape) == ("int64", (1,))
        if not is_index and not (spec.dtype == "float32" and len(spec.shape) == 2 and spec.shape[0] == 1):
            raise InputError(f"{spec} holds no scores of classes; call the network for its outputs")
        output = self._run([self.prepare(image)], False)[0]
        if is_index:
            return [Class(int(output[0]), self._label(int(output[0])), None)]
        best = np.argsort(-output[0].astype(np.float64), kind="stable")[: max(top, 0)]
        return [Class(int(index), self._label(int(index)), float(output[0][index])) for index in best]

    def close(self) -> None:
        """Free the network. It can't be called any more."""
        with self._lock:
            self._free()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, inputs: Sequence[Array], allow_nonfinite: bool) -> tuple[Array, ...]:
        if len(inputs) != len(self.inputs):
            raise InputError(f"{len(inputs)} inputs given; the network takes {', '.join(map(str, self.inputs))}")
        for value, tensor in zip(inputs, self.inputs, strict=True):
            _check(value, tensor, allow_nonfinite)
        given = [np.ascontiguousarray(value).reshape(value.shape) for value in inputs]
        outputs = tuple(np.empty(tensor.shape, tensor.dtype) for tensor in self.outputs)
        with self._lock:
            self._check_open()
            self._library.run(given, outputs)
        return outputs

    def _check_open(self) -> None:
        if not self._free.alive:
            raise NetworkError("the network was closed")

    def _label(self, index: int) -> str:
        return self.labels[index] if 0 <= index < len(self.labels) else str(index)


def _check(value: Array, tensor: Tensor, allow_nonfinite: bool) -> None:
    if not isinstance(value, np.ndarray):
        raise InputError(f"input {tensor} is to be a numpy array, not {type(value).__name__}")
    if value.shape != tensor.shape or value.dtype != tensor.dtype:
        raise InputError(f"input {tensor} was given {value.dtype} {value.shape}")
    if not allow_nonfinite and value.dtype.kind == "f" and not np.isfinite(value).all():
        raise InputError(
            f"input {tensor} holds NaN or infinity, and the outputs may not show it; allow_nonfinite=True runs"
        )


def _as_pixels(image: Array) -> Array:
    """(H, W, C)."""
    if isinstance(image, np.ndarray) and image.dtype == np.uint8:
        if image.ndim == 2:
            return image[:, :, None]
        if image.ndim == 3 and image.shape[2] in (1, 3):
            return image
    what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
    raise InputError(f"an image is an array of uint8, (H, W, 3) or (H, W), not {what}")
