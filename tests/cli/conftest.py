"""Bundles and boards, as the tests of bundles have them."""

from tests.deploy.conftest import (  # noqa: F401
    board,
    board_bundle,
    host_bundle,
    residual_onnx,
    spoiled,
    two_by_two_onnx,
)
