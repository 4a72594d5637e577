"""The model that bundles are built from serves here too."""

from tests.deploy.conftest import (  # noqa: F401
    residual_onnx,
    two_by_two_onnx,
)
