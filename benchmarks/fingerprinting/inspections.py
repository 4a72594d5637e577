"""Fingerprints of what ``rdpass inspect --quick --json`` says of the zoo's architectures with golden counts.

Weights are random, drawn anew with the same seed for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.fingerprinting import digests
from benchmarks.fingerprinting.command_line import rdpass
from benchmarks.zoo_models import GOLDEN_TIMM

OTHERS = ("resnet18", "regnet_x_400mf", "mobilenet_v3_small", "efficientnet_v2_s")
SPECS = tuple(f"timm:{name}" for name in GOLDEN_TIMM) + tuple(f"torchvision:{name}" for name in OTHERS)

# Patches and windows take the size that an architecture was made for; poolings of Inception more than 64 px.
_SIZES = {"224": 224, "levit": 224, "mixer": 224, "maxvit": 224, "inception": 96}
_USUAL = 64


def inspection_fingerprints(specs: tuple[str, ...] = SPECS, side: Path | None = None) -> Iterator[tuple[str, str]]:
    """The digest of every answer; the answers themselves go into the folder ``side``, if given."""
    for spec in specs:
        answer = inspected(spec)
        if side is not None:
            side.mkdir(parents=True, exist_ok=True)
            (side / f"{spec.replace(':', '-')}.json").write_text(answer)
        yield spec, digests.of_bytes(answer.encode())


def inspected(spec: str) -> str:
    """The JSON that the command prints."""
    size = next((size for part, size in _SIZES.items() if part in spec), _USUAL)
    torch.manual_seed(0)
    return rdpass("inspect", spec, "--input", f"1x3x{size}x{size}", "--quick", "--json")
