"""Every form of a network gives the same numbers, batch sizes of its own or not."""

import numpy as np
import onnx
import pytest
import torch

import rdpass
from rdpass.core.errors import ConfigError, IntegrityError
from rdpass.core.processing import Processing
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.processing import save_processed
from rdpass.scoring.networks import first_rows, opened
from rdpass.training.objective import Batch
from tests.deploy.conftest import board, board_bundle, residual_net, residual_onnx, two_by_two_net  # noqa: F401
from tests.models import small_resnet_of_four
from tests.support import Untouched

IMAGES = torch.randn(5, 3, 17, 15, generator=torch.Generator().manual_seed(0))


def outputs_of(source, images):
    with opened("net", source) as network, torch.inference_mode():
        return network, network.call(Batch((images,)), 0)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_file_of_any_batch_takes_batches_of_any_size(tmp_path, size):
    onnx.save(residual_net(size), tmp_path / "net.onnx")
    network, found = outputs_of(tmp_path / "net.onnx", IMAGES)
    wanted = np.concatenate([run_onnx(residual_net(), [image[None].numpy()])[0] for image in IMAGES])
    assert network.by == "ONNX Runtime"
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-5)


def test_a_network_that_prepares_its_image_itself_is_given_the_bytes_of_what_a_loader_prepared(tmp_path):
    onnx.save(residual_net(2), tmp_path / "net.onnx")
    onnx.save(residual_net(2), tmp_path / "whole.onnx")
    processing = Processing("nhwc", (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
    save_processed(tmp_path / "whole.onnx", processing)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 17, 15, 3), np.uint8)
    images = torch.from_numpy(processing.prepared(pixels))
    plain, whole = (outputs_of(tmp_path / f"{name}.onnx", images)[1] for name in ("net", "whole"))
    np.testing.assert_allclose(whole.numpy(), plain.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(
        outputs_of(tmp_path / "whole.onnx", torch.from_numpy(pixels))[1].numpy(), whole.numpy()
    )
    with pytest.raises(ConfigError, match=r"batch 0 for net: .* no bytes by its own mean 0.4, 0.5, 0.6"):
        outputs_of(tmp_path / "whole.onnx", IMAGES)


def test_several_inputs_and_outputs_go_in_and_come_out_in_order(tmp_path):
    onnx.save(two_by_two_net(), tmp_path / "two.onnx")
    with opened("two", tmp_path / "two.onnx") as network:
        left = torch.randn(2, 4)
        batch = network.unpacking.batch((left, torch.randn(6)), 0)
        total, positive = network.call(batch, 0)
    assert (total.shape, positive.shape) == ((2, 6), (2, 6))
    assert bool((positive >= 0).all())


def test_a_module_is_run_in_eval_mode_and_left_as_it_was():
    model = small_resnet_of_four().train()
    model[0].eval()
    with torch.no_grad():
        before = Untouched(model)
    images = torch.randn(4, 3, 8, 8)
    network, found = outputs_of(model, images)
    before.check()
    assert network.by == "torch"
    assert torch.equal(found, outputs_of(model.eval(), images)[1])


def test_a_run_folder_is_its_student(tmp_path):
    example = torch.randn(1, 3, 8, 8)
    conversion = rdpass.convert(small_resnet_of_four(), example, max_macs=9.0, out=tmp_path / "run")
    assert torch.equal(outputs_of(tmp_path / "run", example)[1], outputs_of(conversion, example)[1])


@pytest.mark.slow
def test_a_bundle_for_another_cpu_is_emulated(board_bundle, residual_onnx):  # noqa: F811
    network, found = outputs_of(board_bundle.folder, IMAGES[:2])
    assert (network.by, network.is_slow) == ("rpi4 bundle, emulated", True)
    wanted = outputs_of(residual_onnx, IMAGES[:2])[1]
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-4, atol=1e-4)


def test_rows_of_another_size_are_refused_before_anything_runs(tmp_path):
    onnx.save(residual_net(), tmp_path / "net.onnx")
    with pytest.raises(ConfigError, match=r"batch 0 for net: rows of 'x' are 3x8x8, and the model takes 3x17x15"):
        outputs_of(tmp_path / "net.onnx", torch.zeros(2, 3, 8, 8))


def test_other_folders_and_things_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="neither a run folder"), opened("net", tmp_path):
        pass
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(IntegrityError), opened("net", tmp_path):
        pass
    with pytest.raises(ConfigError, match="net is a int"), opened("net", 3):
        pass


def test_the_first_rows_take_their_targets_along():
    boxes = [{"box": torch.tensor([i])} for i in range(4)]
    targets = {"labels": torch.arange(4), "boxes": boxes, "scale": torch.tensor(2.0), "names": ("a", torch.arange(4))}
    cut = first_rows(Batch((torch.arange(8).reshape(4, 2),), targets), 2)
    assert cut.inputs[0].tolist() == [[0, 1], [2, 3]]
    assert cut.targets["labels"].tolist() == [0, 1]
    assert cut.targets["boxes"] == boxes[:2]
    assert float(cut.targets["scale"]) == 2.0
    assert (cut.targets["names"][0], cut.targets["names"][1].tolist()) == ("a", [0, 1])
    whole = Batch((torch.zeros(2, 1),))
    assert first_rows(whole, 2) is whole


class Failing(torch.nn.Module):
    def forward(self, x):
        raise KeyError("inner")


def test_whatever_a_network_of_the_users_raises_names_the_batch():
    with pytest.raises(ConfigError, match=r"net fails on batch 0, inputs of Nx3x17x15:float32: 'inner'"):
        outputs_of(Failing(), IMAGES)
