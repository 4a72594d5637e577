"""Models that bundles are built from serve here too."""

from tests.deploy.conftest import (  # noqa: F401
    dynamic_onnx,
    model_with_golden,
    residual_onnx,
    two_by_two_onnx,
)
