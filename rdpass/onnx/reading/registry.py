"""Every operator that can be read into torch, by its name."""

from __future__ import annotations

from collections.abc import Mapping

from rdpass.onnx.reading import (
    activations,
    arithmetic,
    convolutions,
    dense,
    layouts,
    norms,
    pools,
    reductions,
    resizing,
)
from rdpass.onnx.reading.call import Reader

READERS: Mapping[str, Reader] = {
    **convolutions.READERS,
    **pools.READERS,
    **norms.READERS,
    **activations.READERS,
    **arithmetic.READERS,
    **dense.READERS,
    **reductions.READERS,
    **layouts.READERS,
    **resizing.READERS,
}
