"""Command lines with one thing wrong: the model, its file, the data, an option, the place for the result.

A trial survives if the command ends with an exit code of its own, and leaves nothing half-written. Some of these faults
are none: a command may also do with what it was given.
"""

from __future__ import annotations

import contextlib
import itertools
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.fault_campaigns import wrong_code
from benchmarks.fault_campaigns.trials import TYPED, Tally, ended, small_network
from rdpass.core.comparison import Array
from rdpass.core.errors import PassError

CODE = wrong_code.__name__
CODES = TYPED - {PassError.exit_code}
MODELS = [
    "raising",
    "nothing",
    "a_dict",
    "of_two",
    "failing",
    "branching",
    "not_finite",
    "of_zeros",
    "of_text",
    "of_integers",
    "of_no_tensor",
    "in_place",
    "random",
    "identity",
    "absent",
]
WITH_MODEL = """
inspect {} --input 1x3x6x5
convert {} --input 1x3x6x5 -o out --force
export {} --input 1x3x6x5 -o out.onnx --force
convert {} --data CODE:fitting --epochs 1 --recipe migrate -o out --force
evaluate {} --data CODE:fitting
quantize {} --data CODE:fitting --input 1x3x6x5 -o out.onnx --force
"""
DATA = [
    "of_grey",
    "of_doubles",
    "of_bytes",
    "of_halves",
    "of_complex",
    "of_one_image",
    "of_no_pixel",
    "of_meta",
    "of_sparse",
    "of_text_alone",
    "of_dicts",
    "labels_out_of_range",
    "negative_labels",
    "float_labels",
    "labels_too_few",
    "no_batch",
    "no_row",
    "poisoned",
    "huge_numbers",
    "another_size_later",
    "raising_later",
    "one_row",
    "no_loader",
    "fails",
    "absent",
]
WITH_DATA = """
convert CODE:network --data {} --epochs 1 --recipe migrate -o out --force
convert CODE:network --data {} --epochs 1 --recipe keep --quantize int8 -o out --force
convert CODE:network --data {} --recipe kd --dry-run
evaluate CODE:network --data {}
quantize CODE:network --data {} --input 1x3x6x5 -o out.onnx --force
"""
WITH_FILE = """
inspect {}
compile {} -o out --force
compile {} --target rpi4 --runtime none -o out --force
bench {}
tune {} --trials 1 --db db --model mca --target rpi4
quantize {} --data CODE:fitting -o out.onnx --force
convert {} -o out --force
evaluate {} --data CODE:fitting
export {} -o out.onnx --force
verify {}
run {} x.npy
report {}
"""
SIZES = (
    "''",
    *["x", "1x3", "0x3x6x5", "2x3x6x5", "1x4x6x5", "1x3x6x5:float128", "y=1x3x6x5", "x=", "1x3x999999999x999999999"],
)
WITH_SIZE = """
inspect net.onnx --input {}
compile net.onnx -o out --force --input {}
inspect CODE:network --input {}
"""
TRAINING = """
--epochs 0
--lr nan
--lr -1
--seed 99999999999999999999
--device magic
--device meta
--amp fp8
--accumulate 0
--clip -1
--recipe magic
--quantize int4
--resume maybe
--max-macs nan
--tolerance -1
--only nothing*
--skip '*'
--teacher CODE:absent
--teacher CODE:of_two
--config text.onnx
--config nowhere.toml
--weights text.onnx
--weights nowhere
--loss CODE:absent
--loss CODE:of_text_loss
--loss CODE:of_nothing_loss
--loss CODE:detached_loss
--set x
--set train.x=1
--set train.lr=abc
--set train..lr=1
--target nowhere
"""
OTHERS = """
compile net.onnx --target nowhere -o out
compile net.onnx -o net.onnx --force
compile net.onnx -o '' --force
compile net.onnx -o out --force --threads 0
compile net.onnx -o out --force --precision int8
compile net.onnx -o out --force --sign text.onnx
compile net.onnx -o out --force --tolerance nan
export CODE:network --input 1x3x6x5 -o . --force
quantize net.onnx --data x.npy -o '' --force
quantize CODE:network --data CODE:fitting -o out.onnx --force --keep-worst 9999
quantize CODE:network --data CODE:fitting -o out.onnx --force --images 0
evaluate CODE:network --data CODE:fitting --metric CODE:of_text_metric
evaluate CODE:network --data CODE:fitting --metric CODE:of_nothing_metric
fit CODE:network --data CODE:fitting --target rpi4 -o out --force --latency 1
fit CODE:network --data CODE:fitting --target rpi4 -o out --force --drop nan
db check text.onnx
inspec net.onnx
"""


def campaign(size: int, folder: Path) -> Tally:
    """``size`` command lines, all of them if there are no more."""
    tally, random = Tally("command lines"), Random(4)
    lines = list(_lines(_files(folder)))
    random.shuffle(lines)
    with contextlib.chdir(folder):
        for line in lines[:size]:
            before = {path.name for path in folder.iterdir()}
            code, said = ended(shlex.split(line.replace("CODE", CODE)))
            left = [path.name for path in folder.iterdir() if path.name not in before and path.name.startswith(".")]
            tally.count(code in CODES and not left, f"{line}: {code} {said} {left or ''}")
    return tally


def _lines(files: tuple[str, ...]) -> Iterator[str]:
    for forms, faults in (
        (WITH_MODEL, [f"CODE:{name}" for name in MODELS]),
        (WITH_DATA, [f"CODE:{name}" for name in DATA]),
        (WITH_FILE, files),
        (WITH_SIZE, SIZES),
        ("convert CODE:network --data CODE:fitting --epochs 1 --recipe migrate -o out --force {}", _each(TRAINING)),
    ):
        yield from (form.format(fault) for form, fault in itertools.product(_each(forms), faults))
    yield from _each(OTHERS)


def _each(text: str) -> list[str]:
    return text.strip().splitlines()


def _files(folder: Path) -> tuple[str, ...]:
    """Files that are no networks, and networks that make no sense."""
    whole = small_network(folder / "net.onnx").read_bytes()
    np.save(folder / "x.npy", np.zeros((1, 3, 6, 5), np.float32))
    (folder / "folder.onnx").mkdir()
    for name, content in (
        ("torn", whole[: len(whole) // 2]), ("empty", b""), ("text", b"hello\n" * 50), ("zeros", bytes(999)),
        ("bits", whole[:40] + bytes([whole[40] ^ 255]) + whole[41:]),
    ):  # fmt: skip
        (folder / f"{name}.onnx").write_bytes(content)
    for name, model in _senseless():
        onnx.save(model, folder / f"{name}.onnx")
    return (
        *sorted(path.name for path in folder.glob("*.onnx") if path.name != "net.onnx"),
        "nowhere.onnx",
        "/dev/null",
    )


def _senseless() -> Iterator[tuple[str, onnx.ModelProto]]:
    kernel = np.ones((4, 3, 3, 3), np.float32)
    for name, attributes in (
        ("stride", {"strides": [0, 0]}), ("dilation", {"dilations": [-1, 1]}), ("pads", {"pads": [10**6] * 4}),
        ("few_pads", {"pads": [1, 1]}), ("group", {"group": 2}), ("kernel", {"kernel_shape": [5, 5]}),
    ):  # fmt: skip
        yield name, _model("Conv", [kernel], **attributes)
    yield "channels", _model("Conv", [np.ones((4, 5, 3, 3), np.float32)])
    yield "nan", _model("Conv", [np.full_like(kernel, np.nan)])
    yield "pool", _model("MaxPool", kernel_shape=[99, 99])
    yield "view", _model("Reshape", [np.array([7, 7])])
    yield "views", _model("Reshape", [np.array([-1, -1])])
    yield "gather", _model("Gather", [np.array([9])], axis=1)
    yield "order", _model("Transpose", perm=[0, 1, 2, 2])
    yield "axis", _model("Softmax", axis=17)
    yield "text_out", _model("Cast", to=int(TensorProto.STRING))
    yield "huge", _model("Relu", size=(1, 3, 2**40, 8))
    yield "none_there", _model("NoSuchOperator")
    yield "opset", _model("Relu", opset=99)


def _model(
    operator: str, more: Sequence[Array] = (), size: Sequence[int] = (1, 3, 6, 5), opset: int = 17, **how: Any
) -> onnx.ModelProto:
    given = [numpy_helper.from_array(array, f"given_{index}") for index, array in enumerate(more)]
    node = helper.make_node(operator, ["x", *(array.name for array in given)], ["y"], **how)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, size)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "net", [x], [y], given)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
