"""``keep``: the same network in deploy form, every shortcut there; and in int8 by rounding alone."""

import pytest
import torch
from torch import nn

import rdpass
from rdpass.cli.student_file import student_file
from rdpass.passes.graph.node_kinds import BATCH_NORMS
from rdpass.training.config import DistillConfig
from rdpass.training.options import QuantizeOptions
from tests.data import batches
from tests.models import classifier, inverted_residual, seeded, small_resnet_of_four
from tests.support import Untouched, error_between

IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "build", [small_resnet_of_four, lambda: classifier(inverted_residual(8, 24), inverted_residual(8, 24))]
)
def test_every_shortcut_stays_batch_norms_fold_and_the_model_is_left_as_it_was(build):
    model = seeded(build)
    before = Untouched(model)
    result = rdpass.convert(model, IMAGES, recipe="keep")
    before.check()
    assert [outcome.how for outcome in result.outcomes] == ["kept", "kept"]
    assert len(rdpass.inspect(result.student, IMAGES).removable) == 2
    assert not [module for module in result.student.modules() if isinstance(module, BATCH_NORMS)]
    assert error_between(result.student, model, IMAGES) < 1e-5


def test_a_network_without_shortcuts_has_a_run_folder_too(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))
    rdpass.convert(model, IMAGES, recipe="keep", out=tmp_path / "run")
    assert error_between(rdpass.load_run(tmp_path / "run").student, model, IMAGES) < 1e-5


def test_without_epochs_in_int8_weights_are_rounded_alone_and_compile_takes_that_file(tmp_path, capsys):
    config = DistillConfig(quantize=QuantizeOptions(epochs=0))
    made = rdpass.convert(
        small_resnet_of_four(), IMAGES[:1], recipe="keep", quantize="int8", train=batches(2), config=config,
        validate=batches(1, seed=1), out=tmp_path / "run", show_progress=False,
    )  # fmt: skip
    assert made.int8.report.training is None
    assert made.int8.report.sqnr > 20
    assert made.history == ()
    assert rdpass.load_run(tmp_path / "run").int8.report == made.int8.report
    with student_file(tmp_path / "run", "int8", None) as file:
        assert file == tmp_path / "run" / "student-int8.onnx"
    assert "taken as it is: rounded on 32 images, SQNR" in capsys.readouterr().err
