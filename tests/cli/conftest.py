"""Bundles and boards, as the tests of bundles have them."""

import pytest

from tests.deploy.conftest import (  # noqa: F401
    board,
    board_bundle,
    board_on_loopback,
    dynamic_onnx,
    host_bundle,
    loopback,
    residual_onnx,
    spoiled,
    two_by_two_onnx,
)
from tests.inspected import inspected  # noqa: F401
from tests.tuning.conftest import made_up, tiny_onnx  # noqa: F401


@pytest.fixture
def here(tmp_path):
    """An empty folder for output; afterwards, no temporary may be left in it."""
    yield tmp_path
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith((".tmp", ".old"))]
