"""The networks that are compiled, at 224 px: each a function without arguments, as ``rdpass export`` takes it.

Weights are random with a seed, those of EfficientNet-Lite0 the published ones.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from benchmarks.efficientnet_lite0.model import pretrained
from benchmarks.fingerprinting.command_line import rdpass
from benchmarks.fingerprinting.detectors import DetectorNeck, UNet
from benchmarks.networks import architecture, reference_network, with_random_weights

SHAPE = "1x3x224x224"
NAMES = ("resnet50", "plain50", "resnet18", "mobilenet_v2", "efficientnet_lite0", "yolo_neck", "unet")
WITHOUT_RUNTIME = ("resnet18", "mobilenet_v2")
"""Those that are built as C libraries too."""


def resnet50() -> nn.Module:
    return reference_network("resnet50")[0]


def plain50() -> nn.Module:
    return reference_network("plain50")[0]


def resnet18() -> nn.Module:
    return reference_network("resnet18")[0]


def mobilenet_v2() -> nn.Module:
    return with_random_weights(architecture("mobilenet_v2"))


def efficientnet_lite0() -> nn.Module:
    return pretrained()


def yolo_neck() -> nn.Module:
    return _small(DetectorNeck)


def unet() -> nn.Module:
    return _small(UNet)


def _small(kind: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # for what is not drawn anew: the transposed convolution
        network = kind()
    return with_random_weights(network.eval())


def exported(name: str, folder: Path) -> Path:
    """The network called ``name`` as ONNX in ``folder``, written by the project's own command."""
    path = folder / f"{name}.onnx"
    rdpass("export", f"{__name__}:{name}", "--input", SHAPE, "-o", path, "--force")
    return path
