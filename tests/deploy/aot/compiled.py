"""A model compiled ahead of time for a board."""

from __future__ import annotations

import onnx

from rdpass.deploy.aot.network import Network, build_aot
from rdpass.deploy.lowering import import_onnx
from rdpass.onnx.source import read_onnx
from rdpass.targets.lookup import find_target

BOARD = find_target("rpi4")


def built(model: onnx.ModelProto) -> Network:
    source = read_onnx(model)
    return build_aot(source, import_onnx(source), BOARD)
