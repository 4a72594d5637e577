"""The networks that figures are given for: ResNet-18 and -50 as torchvision has them, and the same without shortcuts.

Their weights are random but those of no degenerate network; equal names give equal weights. What a network costs does
not depend on them, but whether its numbers are right can be told only if activations neither die nor explode and
rounding errors are not amplified:

1. Convolutions are drawn as He et al. (2015) do, which keeps the scale of a plain network about constant.
2. Batch norms have random gains and shifts, and statistics that say the measured scale of what comes in, one for all
   channels but for a random factor each. The true statistics of random features, channel by channel, would make each
   layer amplify differences by about 1.2 (Yang et al., 2019): in 50 layers float32's rounding becomes 0.1 %.
"""

from __future__ import annotations

import copy
import hashlib
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

from rdpass import quantization
from rdpass.capture.torchvision_import import prepare_torchvision
from rdpass.capture.trace import trace
from rdpass.core.errors import ConfigError
from rdpass.onnx import export
from rdpass.onnx.golden import golden_path
from rdpass.onnx.source import read_onnx
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts

ARCHITECTURES = {"18": "resnet18", "50": "resnet50"}
NAMES = (*(f"{graph}{depth}" for depth in ("50", "18") for graph in ("plain", "resnet")), "mobilenet_v2")
"""``resnet50`` has its shortcuts, ``plain50`` has none, nor their projections."""

INPUT = (1, 3, 224, 224)
_SEED = 0
_CALIBRATION = 8


def reference_network(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The network called ``name`` in eval mode, and an input.

    Raises:
        ConfigError: there is none of that name, or torchvision is not installed.
    """
    if name not in NAMES:
        raise ConfigError(f"no network is called {name!r}; known are {', '.join(NAMES)}")
    generator = torch.Generator().manual_seed(_SEED)
    example = torch.randn(INPUT, generator=generator)
    network = _randomised(architecture(ARCHITECTURES.get(name[-2:], name)), generator)
    if name.startswith("plain"):
        network = without_shortcuts(network, example)
    return _settled(network, example, generator), (example,)


def without_shortcuts(network: nn.Module, example: Tensor) -> nn.Module:
    """``network`` with every removable shortcut taken out, whatever that does to its values."""
    traced = trace(network, example)
    regions, _ = take_census(traced)
    return remove_shortcuts(traced.module, [region for region in regions if region.verdict == "removable"])


def reference_file(name: str, folder: Path) -> Path:
    """The network called ``name`` as ONNX, batch norms folded, torch's own numbers beside it: in ``folder``, where it
    is written unless the same code with the same libraries has done so before.

    Raises:
        ConfigError: there is none of that name, or torchvision is not installed.
    """
    versions = [
        f"{package}-{version(package)}" for package in ("torch", "torchvision", "onnx", "onnxsim", "onnxscript")
    ]
    code = [Path(source).read_bytes() for source in (__file__, export.__file__)]
    digest = hashlib.sha256(b"".join(code) + repr(versions).encode()).hexdigest()[:16]
    path = folder / f"{name}-{digest}.onnx"
    if not (path.exists() and golden_path(path).exists()):
        export.export_onnx(*reference_network(name), path, force=True)
    return path


def quantised_file(model: Path, folder: Path) -> Path:
    """An ONNX file as int8, calibrated on random images of its first input's size: in ``folder``, where it is written
    unless that has been done before."""
    spec = read_onnx(model).inputs[0]
    digest = hashlib.sha256(model.read_bytes() + Path(quantization.__file__).read_bytes()).hexdigest()[:16]
    path = folder / f"{model.stem}-int8-{digest}.onnx"
    if not (path.exists() and golden_path(path).exists()):
        images = torch.randn((_CALIBRATION, *spec.shape[1:]), generator=torch.Generator().manual_seed(_SEED))
        quantization.quantize(model, calibrate=images, calibrator="minmax", out=path, force=True, show_progress=False)
    return path


def with_random_weights(network: nn.Module) -> nn.Module:
    """``network`` with weights and statistics drawn as those of the networks here."""
    generator = torch.Generator().manual_seed(_SEED)
    example = torch.randn(INPUT, generator=generator)
    return _settled(_randomised(network, generator), example, generator)


def architecture(name: str) -> nn.Module:
    """torchvision's of that name, in eval mode.

    Raises:
        ConfigError: torchvision is not installed.
    """
    prepare_torchvision()
    try:
        from torchvision import models
    except ImportError as error:
        raise ConfigError('torchvision is not installed; pip install "rdpass[zoo]"') from error
    with torch.random.fork_rng(devices=[]):  # torchvision draws weights from the global generator; they are replaced
        network: nn.Module = models.get_model(name, weights=None)
    return network.eval()


def _randomised(network: nn.Module, generator: torch.Generator) -> nn.Module:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, 0, 0.1, generator=generator)
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.8, 1.2, generator=generator)
            nn.init.normal_(layer.bias, 0, 0.1, generator=generator)
    return network


def _settled(network: nn.Module, batch: Tensor, generator: torch.Generator) -> nn.Module:
    """A copy whose batch norms have statistics that fit ``batch``."""
    settled = copy.deepcopy(network)

    def settle(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        scale = inputs[0].square().mean().sqrt()
        channels = (inputs[0].shape[1],)
        layer.running_mean = scale * torch.empty(channels).normal_(0, 0.1, generator=generator)
        layer.running_var = scale.square() * torch.empty(channels).uniform_(0.8, 1.2, generator=generator)

    norms = [layer for layer in settled.modules() if isinstance(layer, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(settle) for norm in norms]
    with torch.no_grad():
        settled(batch)
    for hook in hooks:
        hook.remove()
    return settled.eval()
