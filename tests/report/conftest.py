"""A run folder as the tests of pages have it."""

import pytest
import torch

import rdpass
from rdpass.training.config import DistillConfig
from tests.data import batches
from tests.models import small_resnet_of_four


@pytest.fixture(scope="package")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "run"
    rdpass.convert(
        small_resnet_of_four(), torch.randn(1, 3, 8, 8), train=batches(4), validate=batches(2, seed=1),
        recipe="migrate", config=DistillConfig(epochs=2, log_steps=1, share_steps=2, paths={"mixed": True}), out=folder,
        show_progress=False,
    )  # fmt: skip
    return folder
