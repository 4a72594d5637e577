"""What every campaign counts: trials, those that ended as they should, and what was seen where one did not."""

from __future__ import annotations

import contextlib
import io
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rdpass.cli.app import run
from rdpass.core.comparison import Array
from rdpass.core.errors import RdpassError

TYPED = {0, *(kind.exit_code for kind in RdpassError.__subclasses__())}
"""The exit codes that a command may end with, whatever it is given."""
SECONDS = 120


@dataclass
class Tally:
    """Counts of one campaign. ``seen``: of each trial that did not survive, what was done and what came of it."""

    name: str
    tried: int = 0
    survived: int = 0
    seen: list[str] = field(default_factory=list)

    def count(self, survived: bool, what: str) -> None:
        """One trial more."""
        self.tried += 1
        self.survived += survived
        if not survived:
            self.seen.append(what)


def ended(words: Sequence[str | Path]) -> tuple[int, str]:
    """The exit code and last words of ``rdpass`` in this process; -1 for an error that is none of its own."""
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            code = run([str(word) for word in words])
        except Exception as error:  # that is what is looked for
            return -1, f"{type(error).__name__}: {error}"
    return code, said.getvalue().strip()[-200:]


def ran(command: Sequence[str | Path]) -> tuple[int, str]:
    """The exit code and last words of a program; -1 where it did not end."""
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return -1, "it did not end"
    return done.returncode, done.stderr.decode(errors="replace").strip()[-200:]


def mutated(content: bytes, random: Random) -> bytes:
    """Other bytes: some flipped, a stretch cut out, doubled or overwritten, or the end torn off."""
    if not content:
        return b"\0"
    at, size = random.randrange(len(content)), random.randrange(1, 64)
    piece = content[at : at + size]
    return random.choice((
        content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :],
        content[:at] + random.randbytes(len(piece)) + content[at + size :],
        content[:at] + content[at + size :],
        content[:at] + piece + content[at:],
        content[:at],
        content + random.randbytes(size),
    ))  # fmt: skip


def small_network(path: Path) -> Path:
    """An ONNX file of a convolution, an activation and a mean, on maps of 6 x 5."""
    weight = numpy_helper.from_array(_numbers(4, 3, 3, 3), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["y"]),
    ]
    value = helper.make_tensor_value_info
    inputs, outputs = value("x", TensorProto.FLOAT, [1, 3, 6, 5]), value("y", TensorProto.FLOAT, [1, 4, 1, 1])
    graph = helper.make_graph(nodes, "net", [inputs], [outputs], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def _numbers(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)
