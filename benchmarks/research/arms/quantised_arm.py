"""Static int8 by onnxruntime's quantiser, calibrated on training images: what does it cost each network?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.research.arms.arm import Result
from benchmarks.research.arms.bench import Bench, Scores
from benchmarks.research.arms.footprint import footprint_of
from benchmarks.research.arms.recipe_arm import RecipeArm, name_of, network_of, settings_of
from benchmarks.research.images.batches import Part

CALIBRATED, TOGETHER = 512, 250  # images to calibrate with; in a batch
Feed = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class QuantisedArm:
    """``of`` makes the network; None is the teacher itself. ``per_channel``: weights have a scale each channel."""

    of: RecipeArm | None
    per_channel: bool
    recipe: str = field(default="int8")

    @property
    def name(self) -> str:
        return f"{name_of(self.of)}: int8 per {'channel' if self.per_channel else 'layer'}"

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"of": settings_of(self.of), "per_channel": self.per_channel, "calibrated": CALIBRATED}

    def run(self, bench: Bench) -> Result:
        model = network_of(self.of, bench)
        before = bench.score(model)
        held = [part.on("cpu") for part in (bench.image_set.validation, bench.image_set.test)]
        calibration = bench.image_set.train.images[:CALIBRATED].cpu()
        with tempfile.TemporaryDirectory() as folder:
            path = quantised(model, calibration, Path(folder), self.per_channel)
            scores = Scores(*(round(accuracy_of(path, part), 2) for part in held))
        facts = {"float_accuracy": before.test, "lost": round(before.test - scores.test, 2)}
        steps = bench.steps if self.of else 0
        form = "plain" if self.of else "residual"
        return Result(scores, form, footprint_of(model, bench.image_set.example), steps, facts)


def quantised(model: nn.Module, calibration: Tensor, folder: Path, per_channel: bool) -> Path:
    """The model as an int8 .onnx file in ``folder``, for batches of ``TOGETHER``."""
    # Here, so that a machine that trains alone needs no ONNX.
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    from rdpass.onnx.export import export_onnx

    whole = export_onnx(model, (calibration[:1].expand(TOGETHER, -1, -1, -1).contiguous(),), folder / "float.onnx")

    class ImageSet(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._feeds = feeds(whole, calibration)

        def get_next(self) -> Feed | None:
            return next(self._feeds, None)

    small = folder / "int8.onnx"
    quantize_static(
        str(whole), str(small), ImageSet(), quant_format=QuantFormat.QDQ, per_channel=per_channel,
        weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
    )  # fmt: skip
    return small


def feeds(path: Path, images: Tensor) -> Iterator[Feed]:
    """Whole batches of the file's size, the last one filled up with the first images."""
    given = session(path).get_inputs()[0]
    together = given.shape[0]
    for start in range(0, len(images), together):
        batch = images[start : start + together]
        rows = (np.arange(together) % len(batch)).tolist()
        yield {given.name: batch[rows].numpy()}


def accuracy_of(path: Path, part: Part) -> float:
    """Per cent right under onnxruntime."""
    runner, right = session(path), 0
    together = runner.get_inputs()[0].shape[0]
    for feed, (_, labels) in zip(feeds(path, part.images), part.batches(together), strict=True):
        logits = runner.run(None, feed)[0][: len(labels)]
        right += int((logits.argmax(1) == labels.numpy()).sum())
    return 100 * right / len(part.labels)


def session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
