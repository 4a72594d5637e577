"""A file of the corpus: how it is made, what it is fed, and what it is to compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from rdpass.core.comparison import Array

TOLERANCE = 2e-4
HALF_TOLERANCE = 2e-2
QUANTISED_TOLERANCE = 8e-2


@dataclass(frozen=True)
class Made:
    """A model as an exporter writes it.

    ``sizes``: what a user writes behind ``--input``, if the file needs it. ``feed``: numbers by input. ``batch``: rows
    that the file itself takes, of which the first is compared. ``twin``: the same network in a form that ONNX Runtime
    takes. ``tolerance``: relative to the largest output. ``shortcuts``: residual adds, None where nobody counts them.
    ``external``: weights in a file beside it. ``spread``: in the place of ``tolerance``, of the differences' root mean
    square to that of the numbers, where one rounding moves all that follows. ``meanings``: scale and zero point of
    inputs and outputs in integers.
    """

    model: onnx.ModelProto
    feed: Mapping[str, Array]
    sizes: str | None = None
    batch: int = 1
    twin: onnx.ModelProto | None = None
    tolerance: float = TOLERANCE
    shortcuts: int | None = None
    external: bool = False
    spread: float | None = None
    meanings: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)

    def inputs(self) -> list[Array]:
        """One row of each input, in the model's order."""
        weights = {tensor.name for tensor in self.model.graph.initializer}
        names = [value.name for value in self.model.graph.input if value.name not in weights]
        return [self.feed[name][:1] if self.batch > 1 else self.feed[name] for name in names]

    def expected(self) -> list[Array]:
        """What ONNX Runtime computes of the file as it was written."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        content = (self.twin or self.model).SerializeToString()
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        outputs = session.run(None, dict(self.feed))
        return [np.asarray(array)[:1] if self.batch > 1 else np.asarray(array) for array in outputs]

    def meant(self, values: Sequence[onnx.ValueInfoProto], arrays: Sequence[Array]) -> list[Array]:
        """``arrays`` as floats, where the inputs or outputs that they are stand for such."""
        pairs = ((self.meanings.get(value.name), array) for value, array in zip(values, arrays, strict=True))
        return [
            array if pair is None else ((array.astype(np.float32) - pair[1].astype(np.float32)) * pair[0])
            for pair, array in pairs
        ]

    def write(self, path: Path) -> None:
        if not self.external:
            path.write_bytes(self.model.SerializeToString())
            return
        copied = onnx.ModelProto.FromString(self.model.SerializeToString())
        onnx.save(copied, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=64)


@dataclass(frozen=True)
class File:
    """``name`` is habit/network or the like, unique. ``refused``: nothing takes it, and that is to be said."""

    name: str
    habit: str
    make: Callable[[], Made] = field(compare=False)
    refused: bool = False


def numbers_for(
    model: onnx.ModelProto, sizes: Mapping[str, Sequence[int]] | None = None, rows: int = 1
) -> dict[str, Array]:
    """Seeded numbers for every input of float; open sizes are taken from ``sizes``, or as one."""
    random = np.random.default_rng(7)
    weights = {tensor.name for tensor in model.graph.initializer}
    feed = {}
    for value in model.graph.input:
        if value.name in weights:
            continue
        kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        shape = (sizes or {}).get(value.name) or [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
        shape = [rows, *shape[1:]] if rows > 1 else list(shape)
        if kind.kind == "f":
            feed[value.name] = random.standard_normal(shape).astype(kind)
        else:
            feed[value.name] = random.integers(0, 200, shape).astype(kind)
    return feed
